"""Drift of every managed field of every kind: detected, shown alone, and corrected.

The cases are generated from the desired resources, so that no new field or kind can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest

from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from aws.resources.alarm import Alarm
from aws.resources.dashboard import Dashboard
from aws.resources.iam_policy import IamPolicy
from aws.resources.iam_role import IamRole, InstanceProfile
from aws.resources.kms_key import KmsKey
from aws.resources.log_group import LogGroup
from aws.resources.metric_filter import MetricFilter
from aws.resources.rotation import AwsRotation
from aws.resources.topic import Topic
from aws.resources.trail import Trail
from local.servers.postgres_roles import allow_password_changes
from policies.render import render_policies
from tests.support.models import drift_logins
from tests.support.models.drift_logins import CERTIFICATES, KEYS
from tests.support.models.tenants import dump
from tests.support.servers.deployment import Deployment
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.adopted_secret import Adoption
from vault.declare.schema.people import Quota
from vault.declare.schema.secret_sources import Given
from vault.declare.schema.server import MountPaths
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning import owners
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.dependencies import DEPENDENCIES, PRUNABLE, list_path
from vault.reconcile.planning.plan import Action, Plan, make_plan, read_state
from vault.reconcile.resources import Resource
from vault.reconcile.resources.guards import RateLimit
from vault.reconcile.resources.kv import write_value
from vault.reconcile.resources.marks import strip_mark
from vault.reconcile.resources.mounts import KvConfig, Mount
from vault.reconcile.resources.ownership import ManagedResource, OwnedByOther, Owner
from vault.reconcile.resources.policies import PolicyText
from vault.reconcile.resources.secrets import DerivedValue, SecretMetadata, SecretValue
from vault.reconcile.resources.transit import TransitKey

pytestmark = pytest.mark.requires("embedded")

NAME = "gaara-store-dev"
OWNER = Owner(Environment.DEV)
SECRET = "gaara-store/dev/drift"
#: Database users for this test; the first is adopted.
USERS = ("drift_app", "drift_other")
URL = f"postgresql://{USERS[0]}:x@127.0.0.1:1/gaara_store"
ADOPTED = "gaara-store/dev/drift-db"
INPUTS = Inputs(
    {
        **drift_logins.INPUTS,
        f"secret/{ADOPTED}": Secret(URL),
        "database/config/gaara-store-dev": Secret("x"),
        "auth/userpass/users/developer": Secret("x"),
    }
)

#: Throw-away objects of the kinds whose real objects the test must not break.
OWN: dict[str, Resource] = {
    "mount": Mount(
        *("mounts", "drift", "kv", "for this test"),
        max_ttl=3600,
        version=2,
        plain_keys=("username",),
    ),
    "kv-config": KvConfig("drift", 5),
    "rate-limit": ManagedResource(RateLimit("drift-dev", "transit", 1000, 1, 0), OWNER),
    "transit-key": ManagedResource(TransitKey("drift-dev-key", 86_400), OWNER),
    "secret-metadata": SecretMetadata(
        SECRET,
        {
            "deployment": "strongroom",
            "owner": "shop",
            "environment": "dev",
            "rotate_every": "90d",
        },
    ),
    "secret-value": SecretValue(SECRET, True, lambda: Secret("x" * 32)),
    "derived-secret": DerivedValue("gaara-store/dev/drift-url", "{a}", {"a": SECRET}),
}


def with_drift(declaration: Declaration) -> Declaration:
    """Return *declaration* with one more secret, which is adopted."""
    service, environment = declaration.service("gaara-store"), declaration.environment("dev")
    secrets = {**service.secrets, "drift-db": Given(source="given")}
    deployment = environment.services["gaara-store"].model_copy(
        update={"adopted": {"drift-db": Adoption(username=USERS[0])}}
    )
    services = {**environment.services, "gaara-store": deployment}
    return replace(
        declaration,
        services={
            **declaration.services,
            "gaara-store": service.model_copy(update={"secrets": secrets}),
        },
        environments={
            **declaration.environments,
            Environment.DEV: environment.model_copy(update={"services": services}),
        },
    )


def declared() -> dict[str, Resource]:
    """Return one resource of each kind, from the declaration or else from OWN."""
    declaration = drift_logins.with_logins(with_drift(load()), "http://127.0.0.1:1")
    policies = render_policies(declaration, Environment.DEV)
    found = desired_resources(declaration, Environment.DEV, policies, INPUTS)
    return OWN | {each.kind: each for each in reversed(found)}


#: Kind → one resource of it. Together with OWN they have every field.
KINDS = declared()
CASES = [
    (kind, name)
    for kind, resource in KINDS.items()
    for name in {**resource.desired(), **(OWN[kind].desired() if kind in OWN else {})}
]


@dataclass
class Hand:
    """Requests that change the fields of a kind by hand."""

    path: str
    special: dict[str, Callable[[Session, str], object]] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    along: dict[str, set[str]] = field(default_factory=dict)


def body(path: str, content: dict[str, Any]) -> Callable[[Session, str], object]:
    return lambda session, name: session.post(path.format(name=name), content)


def with_metadata(kind: str, notes: dict[str, str]) -> Callable[[Session, str], object]:
    return body(
        f"secret/metadata/_strongroom/dev/{kind}/{{name}}",
        {"custom_metadata": {**OWNER.marks, **notes}},
    )


def recreated_with(path: str, old: dict[str, Any]) -> Callable[[Session, str], object]:
    """Return a function that deletes the object and creates it again with the fields *old*."""

    def change(session: Session, name: str) -> None:
        if path.startswith("transit/"):
            session.post(f"{path.format(name=name)}/config", {"deletion_allowed": True})
        session.delete(path.format(name=name))
        session.post(path.format(name=name), old)
        if path.startswith("transit/"):
            session.post(f"{path.format(name=name)}/config", {"auto_rotate_period": "24h"})

    return change


def recreate_for_other_user(session: Session, name: str) -> None:
    """Delete the static role, and create it again for another database user."""
    path = f"database/static-roles/{name}"
    data = session.get(path)["data"]
    session.delete(path)
    body = {"db_name": NAME, "username": USERS[1], "rotation_period": data["rotation_period"]}
    session.post(path, body)


def with_tags(**tags: str | None) -> Callable[[Session, str], object]:
    ours = {
        "managed_by": "strongroom",
        "deployment": "strongroom",
        "owner": "shop",
        "environment": "dev",
        "rotate_every": "90d",
    }
    kept = {key: value for key, value in {**ours, **tags}.items() if value is not None}
    return body(f"secret/metadata/{SECRET}", {"custom_metadata": kept})


def without_note(kind: str, key: str) -> Callable[[Session, str], object]:
    """Return a function that removes a key of the ownership metadata."""

    def change(session: Session, name: str) -> None:
        path = f"secret/metadata/_strongroom/dev/{kind}/{name}"
        notes = session.get(path)["data"]["custom_metadata"]
        notes.pop(key)
        session.post(path, {"custom_metadata": notes})

    return change


def without_mark(path: str) -> Callable[[Session, str], object]:
    """Return a function that removes the line that names the owner of a policy."""

    def change(session: Session, name: str) -> None:
        found = session.get(path.format(name=name))["data"]["policy"]
        session.post(path.format(name=name), {"policy": strip_mark(found)})

    return change


CONNECTION = "database/config/{name}"
MOUNTED = {
    "type": "kv",
    "description": "for this test",
    "config": {"max_lease_ttl": "1h", "audit_non_hmac_response_keys": ["username"]},
    "options": {"version": "2"},
}
KEY = {"type": "aes256-gcm96", "derived": True}
LOCKOUT = {
    "lockout_threshold": "5",
    "lockout_duration": "15m",
    "lockout_counter_reset_duration": "15m",
    "lockout_disable": False,
}
#: Kinds of which a write resets the fields that it omits.
WHOLE = {"database-role", "static-role", "rate-limit", "jwt-role", "oidc-role"}
#: Fields that a role's maximum also caps: the period of periodic tokens, the TTLs of others.
PERIODIC = {name: {"token_period"} for name in ("token_max_ttl", "token_explicit_max_ttl")}
ENDING = {"token_explicit_max_ttl": {"token_ttl", "token_max_ttl"}}
HANDS = {
    "mount": Hand(
        "sys/mounts/{name}/tune",
        {
            "type": recreated_with(
                "sys/mounts/{name}", MOUNTED | {"type": "transit", "options": {}}
            ),
            "version": recreated_with("sys/mounts/{name}", MOUNTED | {"options": {"version": "1"}}),
            # Lower, because a higher limit is no drift.
            "max_lease_ttl": body("sys/mounts/{name}/tune", {"max_lease_ttl": "59m"}),
            "audit_non_hmac_response_keys": body(
                "sys/mounts/{name}/tune", {"audit_non_hmac_response_keys": ["another"]}
            ),
        },
        ("type", "version"),
    ),
    "kv-config": Hand("{name}/config"),
    "policy": Hand(
        "sys/policies/acl/{name}",
        {"marked_by": without_mark("sys/policies/acl/{name}")},
        along={"policy": {"marked_by"}},
    ),
    "transit-key": Hand(
        "transit/keys/{name}/config",
        {
            "type": recreated_with("transit/keys/{name}", KEY | {"type": "chacha20-poly1305"}),
            "derived": recreated_with("transit/keys/{name}", KEY | {"derived": False}),
        },
        ("type", "derived", "exportable", "allow_plaintext_backup"),
    ),
    "approle": Hand(
        "auth/approle/role/{name}",
        {
            "bind_secret_id": body(
                "auth/approle/role/{name}",
                {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.1/32"]},
            )
        },
        along=ENDING,
    ),
    "userpass": Hand(
        "auth/userpass/users/{name}",
        {"password": with_metadata("userpass", {"password_hmac": "other"})},
        along=ENDING,
    ),
    "jwt-config": Hand(
        "auth/jwt/config",
        {
            "bound_issuer": drift_logins.merge_config(
                "auth/jwt/config", {"bound_issuer": "by-hand"}
            ),
            "jwt_validation_pubkeys": drift_logins.merge_config(
                "auth/jwt/config", {"jwt_validation_pubkeys": KEYS[1:]}
            ),
            "jwks_url": drift_logins.set_jwks_url,
            "jwks_ca_pem": drift_logins.merge_config(
                "auth/jwt/config", {"jwks_ca_pem": CERTIFICATES[1]}
            ),
            "oidc_discovery_url": drift_logins.set_discovery_url,
        },
        along={
            "jwks_url": {"jwt_validation_pubkeys"},
            "oidc_discovery_url": {"jwt_validation_pubkeys"},
        },
    ),
    "jwt-role": Hand(
        "auth/jwt/role/{name}",
        {
            "role_type": drift_logins.merge_config(
                "auth/jwt/role/{name}", {"role_type": "oidc", "allowed_redirect_uris": ["x"]}
            ),
            "bound_claims_type": drift_logins.merge_config(
                "auth/jwt/role/{name}", {"bound_claims_type": "glob"}
            ),
        },
        along=PERIODIC,
    ),
    "oidc-config": Hand(
        "auth/oidc/config",
        {
            "oidc_discovery_url": drift_logins.set_other_provider,
            "oidc_client_secret": with_metadata(
                "oidc-config", {"oidc_client_secret_hmac": "other"}
            ),
            **{
                name: drift_logins.merge_provider_config({name: value})
                for name, value in {
                    "oidc_discovery_ca_pem": CERTIFICATES[1],
                    "oidc_client_id": "by-hand",
                    "default_role": "by-hand",
                    "bound_issuer": "by-hand",
                    "jwt_supported_algs": ["RS256"],
                }.items()
            },
        },
    ),
    "oidc-role": Hand(
        "auth/oidc/role/{name}",
        {
            "role_type": drift_logins.merge_config("auth/oidc/role/{name}", {"role_type": "jwt"}),
            "bound_claims_type": drift_logins.merge_config(
                "auth/oidc/role/{name}", {"bound_claims_type": "glob"}
            ),
        },
        along=ENDING,
    ),
    "kubernetes-config": Hand(
        "auth/kubernetes/config",
        {
            "token_reviewer_jwt": with_metadata(
                "kubernetes-config", {"token_reviewer_jwt_hmac": "other"}
            ),
            **{
                name: drift_logins.merge_config("auth/kubernetes/config", {name: value})
                for name, value in {
                    "kubernetes_host": "https://by-hand",
                    "kubernetes_ca_cert": CERTIFICATES[1],
                    "disable_local_ca_jwt": False,
                }.items()
            },
        },
    ),
    "kubernetes-role": Hand(
        "auth/kubernetes/role/{name}",
        {
            "alias_name_source": body(
                "auth/kubernetes/role/{name}", {"alias_name_source": "serviceaccount_name"}
            )
        },
        along=PERIODIC,
    ),
    "cert-role": Hand(
        "auth/cert/certs/{name}",
        {"certificate": body("auth/cert/certs/{name}", {"certificate": CERTIFICATES[1]})},
        along=PERIODIC,
    ),
    "group": Hand(
        "identity/group/name/{name}",
        {
            "type": recreated_with(
                "identity/group/name/{name}",
                {"type": "internal", "policies": ["strongroom-plan"]},
            ),
            "alias": drift_logins.set_group_alias("by-hand", "oidc"),
            "alias_mount": drift_logins.set_group_alias("drift-team", "userpass"),
            "marked_by": body(
                "identity/group/name/{name}", {"type": "external", "metadata": {"team": "a"}}
            ),
        },
        ("type",),
        {"type": {"alias", "alias_mount", "marked_by"}},
    ),
    "database-connection": Hand(
        CONNECTION,
        {
            "root_password": without_note("database-connection", "root_password"),
            "password": without_note("database-connection", "password_hmac"),
            "password_authentication": body(
                CONNECTION, {"password_authentication": "password", "verify_connection": False}
            ),
            "plugin_name": body(
                CONNECTION, {"plugin_name": "mysql-database-plugin", "verify_connection": False}
            ),
        },
    ),
    "audited-header": Hand("sys/config/auditing/request-headers/{name}"),
    "rate-limit": Hand(
        "sys/quotas/rate-limit/{name}",
        {"path": body("sys/quotas/rate-limit/{name}", {"path": "database", "rate": 1000})},
    ),
    "password-policy": Hand(
        "",
        {
            "policy": body(
                "sys/policies/password/{name}",
                {"policy": 'length = 30\nrule "charset" { charset = "abcdefghij" }'},
            ),
            "marked_by": without_mark("sys/policies/password/{name}"),
        },
        along={"policy": {"marked_by"}},
    ),
    "user-lockout": Hand(
        "",
        {
            name: body("sys/auth/{name}/tune", {"user_lockout_config": LOCKOUT | {name: value}})
            for name, value in {
                "lockout_threshold": "7",
                "lockout_duration": "20m",
                "lockout_counter_reset_duration": "20m",
                "lockout_disable": True,
            }.items()
        },
    ),
    "static-role": Hand(
        "database/static-roles/{name}", {"username": recreate_for_other_user}, fixed=("username",)
    ),
    "adopted-secret": Hand(
        "", {"value": lambda session, name: write_value(session, name, Secret(URL))}
    ),
    "secret-metadata": Hand(
        "",
        {
            "managed_by": with_tags(managed_by="somebody"),
            "deployment": with_tags(deployment=None),
            "owner": with_tags(owner="somebody"),
            "environment": with_tags(environment="prod"),
            "rotate_every": with_tags(rotate_every="91d"),
        },
    ),
    "secret-value": Hand(
        "",
        # This also deletes the metadata, whose tags their own kind writes again.
        {"value": lambda session, name: session.delete(f"secret/metadata/{name}")},
    ),
    "derived-secret": Hand(
        "",
        {"value": lambda session, _name: write_value(session, SECRET, Secret("new"))},
    ),
}

# A prunable kind without special fields needs no entry: a path that lists its objects is known.
for prunable in PRUNABLE:
    HANDS.setdefault(prunable, Hand(f"{list_path(prunable, DEFAULT_MOUNTS)}/{{name}}"))


def changed_value(name: str, value: Any) -> Any:
    """Return a different value that the server accepts."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 60 if value <= 60 or "max" in name else value - 60
    if isinstance(value, dict):
        return {**value, "by-hand": "x"}
    if isinstance(value, PolicyText):
        return f'{value}\npath "secret/by-hand" {{ capabilities = ["read"] }}'
    if isinstance(value, list):
        return [*value, "SELECT 1" if "statements" in name else "by-hand"]
    return f"{value}&application_name=by-hand" if "?" in value else f"{value}-by-hand"


def change_by_hand(session: Session, resource: Resource, name: str) -> None:
    hand = HANDS[resource.kind]
    if name in hand.special:
        hand.special[name](session, resource.name)
    elif name == "deployment":  # as an earlier version wrote it
        without_note(resource.kind, "deployment")(session, resource.name)
    elif name == "managed_by":
        session.delete(f"secret/metadata/_strongroom/dev/{resource.kind}/{resource.name}")
    else:
        content: dict[str, Any] = {name: changed_value(name, resource.desired()[name])}
        if resource.kind in WHOLE:
            content = {**resource.desired(), **content}
        if resource.kind == "database-connection":
            content["verify_connection"] = False
        session.post(hand.path.format(name=resource.name), content)


def resources(deployment: Deployment) -> list[Resource]:
    inputs = deployment.local.inputs()
    inputs = replace(inputs, values={**INPUTS.values, **inputs.values})
    return [*deployment.local.desired(inputs), *OWN.values()]


@pytest.fixture(scope="module")
def wanted(deployment: Deployment, own_things: None) -> list[Resource]:  # noqa: ARG001 (first)
    return resources(deployment)


@pytest.fixture(scope="module")
def reader(deployment: Deployment, own_things: None) -> Iterator[Session]:  # noqa: ARG001 (first)
    with deployment.local.operator("strongroom-plan") as session:
        yield session


def plan_as_reader(reader: Session, wanted: list[Resource]) -> Plan:
    """Return the plan of the plan role, whose policy does not grant the throw-away mount."""
    return build_plan(reader, [each for each in wanted if each.name != "drift"])


def apply_all(operator: Session, wanted: list[Resource]) -> None:
    apply(operator, build_plan(operator, wanted), lambda _: None)


def delete(operator: Session, kind: str) -> None:
    """Delete an object that cannot be corrected."""
    name = (OWN.get(kind) or KINDS[kind]).name
    if kind == "transit-key":
        operator.post(f"transit/keys/{name}/config", {"deletion_allowed": True})
    path = {
        "mount": "sys/mounts",
        "transit-key": "transit/keys",
        "static-role": "database/static-roles",
        "group": "identity/group/name",
    }[kind]
    operator.delete(f"{path}/{name}")


@pytest.fixture(scope="module", autouse=True)
def own_things(deployment: Deployment) -> Iterator[None]:
    local, before = deployment.local, deployment.local.declaration
    with local.service("gaara-store").access.require_database().superuser.connect() as superuser:
        for user in USERS:
            superuser.execute(f"CREATE ROLE {user} LOGIN".encode())
            allow_password_changes(superuser, local.service("gaara-store").scope.manager_role, user)
    address = f"http://127.0.0.1:{deployment.ports.vault}"  # as the server sees itself
    drift_logins.create_providers(deployment.operator, address)
    local.declaration = drift_logins.with_logins(with_drift(before), address)
    apply_all(deployment.operator, resources(deployment))
    yield
    local.declaration = before
    operator = deployment.operator
    drift_logins.delete_logins(operator)
    operator.delete(f"database/static-roles/{NAME}-drift-db")
    operator.post("transit/keys/drift-dev-key/config", {"deletion_allowed": True})
    for path in (
        "sys/mounts/drift",
        "transit/keys/drift-dev-key",
        "secret/metadata/_strongroom/dev/transit-key/drift-dev-key",
        f"secret/metadata/{SECRET}",
        f"secret/metadata/{SECRET}-url",
        f"secret/metadata/{ADOPTED}",
        "sys/quotas/rate-limit/drift-dev",
        "secret/metadata/_strongroom/dev/rate-limit/drift-dev",
        f"secret/metadata/_strongroom/dev/static-role/{NAME}-drift-db",
    ):
        operator.delete(path)
    apply(operator, build_plan(operator, local.desired(local.inputs())), lambda _: None)
    with local.service("gaara-store").access.require_database().superuser.connect() as superuser:
        for user in USERS:
            superuser.execute(f"DROP ROLE {user}".encode())


def test_every_kind_has_a_way_to_drift() -> None:
    # See test_aws_drift, test_aws_monitoring and test_aws_rotation.
    identities = (KmsKey, IamPolicy, IamRole, InstanceProfile)
    monitoring = (LogGroup, MetricFilter, Alarm, Dashboard, Topic, Trail)
    elsewhere = {each.kind for each in (*identities, *monitoring, AwsRotation)}
    assert set(KINDS) == set(HANDS) == set(DEPENDENCIES) - elsewhere
    assert set(PRUNABLE) <= set(KINDS)
    assert len(CASES) > 40


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}-{name}" for kind, name in CASES])
def test_drift_is_detected_alone_and_corrected(
    deployment: Deployment, reader: Session, wanted: list[Resource], kind: str, name: str
) -> None:
    operator = deployment.operator
    resource = OWN.get(kind) or next(each for each in wanted if each.kind == kind)
    change_by_hand(operator, resource, name)
    is_own = resource.name == "drift"
    found = build_plan(operator, wanted) if is_own else plan_as_reader(reader, wanted)
    expected = {(kind, resource.name, name)}
    shown = {
        (change.kind, change.resource.name, each.field)
        for change in found.changes
        for each in change.fields
    }
    along = HANDS[kind].along.get(name, set())
    expected |= {(kind, resource.name, each) for each in along}
    if kind == "secret-value":  # and what depends on it
        tags = OWN["secret-metadata"].desired()
        expected |= {("secret-metadata", SECRET, tag) for tag in tags}
        expected |= {("derived-secret", "gaara-store/dev/drift-url", "value")}
    if name == "managed_by" and kind != "secret-metadata":
        # the other keys of the ownership metadata are deleted too
        notes = {"password", "root_password", "deployment"} & set(resource.desired())
        expected |= {(kind, resource.name, each) for each in notes}
    if kind == "mount":  # its configuration was deleted too, and another type has no version
        expected |= {entry for entry in shown if entry[0] == "kv-config" or name == "type"}
    assert shown == expected
    if name in HANDS[kind].fixed:
        with pytest.raises(ApplyFailed, match="cannot be changed after creation"):
            apply(operator, found, lambda _: None)
        delete(operator, kind)
        apply_all(operator, wanted)
    else:
        apply(operator, found, lambda _: None)
    # The plan of the next test reads the others, and that of the last test all.
    corrected = [each.resource for each in found.changes]
    assert make_plan(corrected, read_state(operator, corrected)).changes == ()


#: Mounts of another deployment, on the same server.
ITS_OWN = Mounts("beta/kv", "beta/transit", "beta/database", "beta-roles")
#: Kinds whose objects have a name of the server, whatever the mounts are.
OF_SERVER = {kind for kind, path in PRUNABLE.items() if "{" not in path}


@pytest.mark.parametrize(
    ("mounts", "refused"),
    [
        (DEFAULT_MOUNTS, {*PRUNABLE, "secret-metadata"}),
        (ITS_OWN, OF_SERVER),
    ],
    ids=["shared mounts", "own mounts"],
)
def test_other_deployment_of_the_same_names_is_refused_by_every_kind(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, mounts: Mounts, refused: set[str]
) -> None:
    monkeypatch.setattr(owners, "_MAX_LISTED", 10_000)
    operator, others = deployment.operator, as_beta(deployment, mounts)
    before = dump(operator)
    with pytest.raises(OwnedByOther) as caught:
        build_plan(operator, others)
    lines = [line.split() for line in str(caught.value).splitlines()[1:-1]]
    assert {kind for kind, *_ in lines} >= refused
    assert all("deployment 'strongroom'" in " ".join(line) for line in lines)
    listed = {(kind, name) for kind, name, *_ in lines}
    free = [each for each in others if (each.kind, each.name) not in listed]
    changed = make_plan(free, read_state(operator, free)).changes
    assert [str(each) for each in changed if each.action is not Action.CREATE] == []
    assert dump(operator) == before


def as_beta(deployment: Deployment, mounts: Mounts) -> list[Resource]:
    """Return what another deployment with the same declaration asks for."""
    declared = deployment.local.declaration
    environment = declared.environment("dev")
    vault = environment.vault.model_copy(update={"mounts": MountPaths(**asdict(mounts))})
    quotas = {"drift": Quota(path="transit", rate=500)}
    changed = environment.model_copy(
        update={"deployment": "beta", "vault": vault, "quotas": quotas}
    )
    environments = {**declared.environments, Environment.DEV: changed}
    declaration = replace(declared, environments=environments)
    policies = render_policies(declaration, Environment.DEV)
    return desired_resources(declaration, Environment.DEV, policies, INPUTS)


def test_rate_limit_of_a_path_that_has_one_is_refused(
    deployment: Deployment, wanted: list[Resource]
) -> None:
    beta = Owner(Environment.DEV, "beta")
    limit = ManagedResource(RateLimit("beta-dev", "transit", 9, 1, 0), beta)
    texts = [each for each in wanted if isinstance(each, Mount)]
    with pytest.raises(
        OwnedByOther,
        match=r"beta-dev has the path of the rate limit drift-dev "
        r"\(transit, of the deployment 'strongroom'\)",
    ):
        build_plan(deployment.operator, [limit, *texts])


def test_equivalent_notation_is_no_drift(
    deployment: Deployment, reader: Session, wanted: list[Resource]
) -> None:
    operator = deployment.operator
    policy = operator.get(f"sys/policies/acl/{NAME}")["data"]["policy"]
    turned = "\n\n".join(["# by hand", *reversed(policy.split("\n\n"))])
    operator.post(f"sys/policies/acl/{NAME}", {"policy": turned})
    with_tags(rotate_every="2160h")(operator, SECRET)
    allowed = ["orders-mail-dev-readonly", f"{NAME}-drift-db", NAME]
    operator.post("database/config/" + NAME, {"allowed_roles": allowed})
    assert plan_as_reader(reader, wanted).changes == ()
    assert build_plan(operator, wanted).changes == ()  # with what the reader may not read
