"""Two deployments on one server: each applies and prunes, and neither touches the other's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app_integration.errors import AccessDenied
from app_integration.mounts import Mounts
from app_integration.session.session import Session
from policies.render import scoped_apply_policy
from tests.support.models.tenants import DEV, MANAGER_PASSWORD, Tenant, dump, sections
from tests.support.servers.deployment import Deployment
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.kv_mount import create_kv_mount
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import (
    ManagedResource,
    OwnedByOther,
    check_secret_owner,
)

pytestmark = pytest.mark.requires("embedded")

SHARED = Mounts("shared/kv", "shared/transit", "shared/database", "shared-roles")
OWN = {
    "alpha": Mounts("alpha/kv", "alpha/transit", "alpha/database", "alpha-roles"),
    "beta": Mounts("beta-kv", "beta-transit", "beta-database", "beta-roles"),
    "gamma": Mounts("gamma/kv", "gamma/transit", "gamma/database", "gamma/roles"),
}
#: Words in the path of each of alpha's objects, and in no other's.
ALPHAS = ("alpha", "shop")


def run_as_superuser(deployment: Deployment, *statements: str) -> None:
    database = deployment.local.service("gaara-store").access.require_database()
    with database.superuser.connect() as superuser:
        for each in statements:
            superuser.execute(each.encode())


@pytest.fixture(scope="module")
def endpoint(deployment: Deployment) -> Endpoint:
    """Return the endpoint of a database with a manager and an owner for each service."""
    for service in ("shop", "mail"):
        run_as_superuser(
            deployment,
            f"CREATE ROLE {service}_owner NOLOGIN",
            f"CREATE ROLE {service}_manager LOGIN CREATEROLE",
            f"GRANT {service}_owner TO {service}_manager WITH ADMIN OPTION",
            f"ALTER ROLE {service}_manager SET createrole_self_grant = 'set, inherit'",
            f"GRANT CONNECT ON DATABASE gaara_store TO {service}_manager",
        )
    return Endpoint("127.0.0.1", deployment.ports.database)


@pytest.fixture
def server() -> Iterator[str]:
    with dev_server() as address:
        yield address


@pytest.fixture
def platform(server: str) -> Iterator[Session]:
    with root(server) as session:
        yield session


def tenant(
    folder: Path,
    name: str,
    service: str,
    endpoint: Endpoint | None,
    mounts: Mounts,
    *,
    scoped: bool,
) -> Tenant:
    declared, entry = sections(endpoint)
    environment = {
        "services": {service: {**entry, "password_policy": f"{name}-pw"}},
        "password_policies": {f"{name}-pw": {"length": 32}},
    }
    return Tenant(folder / name, name, service, mounts, declared, environment, scoped)


def of_others(state: dict[str, str]) -> dict[str, str]:
    """Return the part of a dump that is not alpha's."""
    found = {}
    for path, data in state.items():
        words = path.replace("-", "/").split("/")
        if not {*ALPHAS} & {*words}:
            found[path] = data
    return found


class TestTwoDeployments:
    """Tests of two applied deployments. Each leaves them as it found them."""

    @pytest.fixture(
        scope="class",
        params=["own mounts, full", "own mounts, scoped", "shared mounts, full and scoped"],
    )
    @classmethod
    def running(
        cls,
        request: pytest.FixtureRequest,
        tmp_path_factory: pytest.TempPathFactory,
        deployment: Deployment,
        endpoint: Endpoint,
    ) -> Iterator[tuple[str, tuple[Tenant, Tenant]]]:
        """Yield the address of a server and two deployments on it, each with its own role."""
        for service in ("shop", "mail"):  # because the server before has changed the passwords
            statement = f"ALTER ROLE {service}_manager PASSWORD '{MANAGER_PASSWORD}'"
            run_as_superuser(deployment, statement)
        folder = tmp_path_factory.mktemp("pair")
        shared, scoped = "shared" in request.param, "scoped" in request.param
        mounts = {"alpha": SHARED, "beta": SHARED} if shared else OWN
        alpha = tenant(folder, "alpha", "shop", endpoint, mounts["alpha"], scoped=scoped)
        scoped = scoped and not shared  # with shared mounts, one of each
        beta = tenant(folder, "beta", "mail", endpoint, mounts["beta"], scoped=scoped)
        beta = beta.with_more(
            secrets={
                "key": {"source": "generated", "length": 40},
                "smtp/password": {"source": "given"},
            },
            keys={"archive": {"allow": ["encrypt"], "rotate_every": "90d"}},
        )
        with dev_server() as server:
            for each in (alpha, beta):
                each.bootstrap(server)
                assert each.apply(server)
                with each.session(server) as session:
                    assert each.plan(session).changes == ()
            yield server, (alpha, beta)

    @pytest.fixture
    def server(self, running: tuple[str, tuple[Tenant, Tenant]]) -> str:
        return running[0]

    @pytest.fixture
    def pair(self, running: tuple[str, tuple[Tenant, Tenant]]) -> tuple[Tenant, Tenant]:
        return running[1]

    def test_deployment_applies_and_prunes_without_touching_the_other(
        self, pair: tuple[Tenant, Tenant], server: str, platform: Session
    ) -> None:
        alpha, beta = pair
        more = alpha.with_more(
            secrets={**alpha.sections["secrets"], "old": {"source": "generated", "length": 40}},
            keys={**alpha.sections["keys"], "old": {"allow": ["encrypt"]}},
        )
        before = of_others(dump(platform))
        if alpha.scoped:
            more.write_apply_policy(platform)
        applied = more.apply(server)
        assert {"create secret-value shop/dev/old", "create transit-key shop-dev-old"} <= {*applied}
        kv, transit = alpha.mounts.kv, alpha.mounts.transit
        destroyed = (f"{kv}/shop/dev/old", f"{transit}/shop-dev-old")
        if alpha.scoped:
            alpha.write_apply_policy(platform)
        pruned = alpha.apply(server, *destroyed)
        assert {"delete transit-key shop-dev-old", "delete secret-metadata shop/dev/old"} <= {
            *pruned
        }

        after = dump(platform)
        assert of_others(after) == before
        assert len(before) > 20
        for each in (alpha, beta):
            with each.session(server) as session:
                assert each.plan(session).changes == ()

    def test_deployment_without_declared_objects_prunes_only_its_own(
        self, pair: tuple[Tenant, Tenant], server: str, platform: Session, tmp_path: Path
    ) -> None:
        alpha, beta = pair
        before = dump(platform)
        # Another name for everything: all objects of the service are orphans.
        renamed = replace(
            alpha,
            folder=tmp_path,
            service="market",
            environment={**alpha.environment, "services": {"market": {}}},
            sections={"secrets": {}, "keys": {}},
        )
        with root(server) as session:
            found = build_plan(session, renamed.resources(), Prune(DEV))
        deleted = {str(change) for change in found.changes if change.is_deletion}
        assert {"delete policy shop-dev", "delete approle shop-dev-starter"} <= deleted
        assert not [each for each in deleted if "mail" in each or "beta" in each]
        assert sorted(found.kept) == [
            f"{alpha.mounts.kv}/shop/dev/token",
            f"{alpha.mounts.transit}/shop-dev-pii",
        ]
        assert dump(platform) == before
        with beta.session(server) as session:
            assert beta.plan(session).changes == ()

    def test_contested_service_is_refused_with_its_owners_name(
        self, pair: tuple[Tenant, Tenant], server: str, platform: Session, tmp_path: Path
    ) -> None:
        alpha, _ = pair
        gamma = tenant(tmp_path, "gamma", "shop", None, OWN["gamma"], scoped=False)
        gamma.bootstrap(server)
        before = dump(platform)
        with pytest.raises(OwnedByOther, match="policy shop-dev belongs to the deployment 'alpha'"):
            gamma.apply(server)
        assert dump(platform) == before

        on_their_mounts = replace(gamma, mounts=alpha.mounts)
        with pytest.raises(OwnedByOther) as caught:
            build_plan(platform, on_their_mounts.resources())
        for contested in (
            "policy shop-dev",
            "approle shop-dev",
            "transit-key shop-dev-pii",
            "secret-metadata shop/dev/token",
        ):
            assert f"{contested} belongs to the deployment 'alpha'" in str(caught.value)
        assert dump(platform) == before

    def test_contested_password_policy_is_refused_across_mounts(
        self, pair: tuple[Tenant, Tenant], server: str, platform: Session, tmp_path: Path
    ) -> None:
        gamma = tenant(tmp_path, "gamma", "third", None, OWN["gamma"], scoped=False)
        environment = {"services": {"third": {}}, "password_policies": {"beta-pw": {"length": 20}}}
        gamma = replace(gamma, environment=environment)
        gamma.bootstrap(server)
        before = dump(platform)
        with pytest.raises(OwnedByOther, match=r"password-policy beta-pw-dev .*'beta'"):
            gamma.apply(server)
        assert dump(platform) == before
        assert pair

    def test_secret_of_another_deployment_is_not_written(
        self, pair: tuple[Tenant, Tenant], platform: Session
    ) -> None:
        alpha, beta = pair
        with pytest.raises(OwnedByOther, match="shop/dev/token belongs to the deployment 'alpha'"):
            check_secret_owner(platform, replace(alpha.owner, deployment="beta"), "shop/dev/token")
        check_secret_owner(platform, alpha.owner, "shop/dev/token")
        check_secret_owner(platform, beta.owner, "mail/dev/key")

    def test_object_deleted_by_hand_stays_its_owners(
        self, pair: tuple[Tenant, Tenant], server: str, platform: Session
    ) -> None:
        alpha, _ = pair
        path = f"{alpha.mounts.auth}/role/shop-dev"
        platform.delete(path)
        other = replace(alpha.owner, deployment="beta")
        roles = {each.name: each for each in alpha.resources() if each.kind == "approle"}
        resource = roles["shop-dev"]
        assert isinstance(resource, ManagedResource)
        with pytest.raises(
            OwnedByOther, match="approle shop-dev belongs to the deployment 'alpha'"
        ):
            build_plan(platform, [ManagedResource(resource.resource, other)])
        assert "create approle shop-dev" in alpha.apply(server)


def test_group_of_another_deployment_is_refused(platform: Session, tmp_path: Path) -> None:
    alpha = tenant(tmp_path, "alpha", "shop", None, OWN["alpha"], scoped=False)
    beta = tenant(tmp_path, "beta", "mail", None, OWN["beta"], scoped=False)
    Mount("auth", "oidc", "jwt", "people, at the provider").write(platform, None)
    create_kv_mount(platform, "alpha/kv")
    create_kv_mount(platform, "beta-kv")
    groups = [
        ManagedResource(Group("operators", (name,), "oidc", "platform", name), each.owner)
        for name, each in (("alpha", alpha), ("beta", beta))
    ]
    groups[0].write(platform, None)
    assert build_plan(platform, groups[:1]).changes == ()
    with pytest.raises(OwnedByOther, match="group operators belongs to the deployment 'alpha'"):
        build_plan(platform, groups[1:])


def test_claim_of_another_deployments_group_is_refused_and_ones_own_moves(
    platform: Session, tmp_path: Path
) -> None:
    alpha = tenant(tmp_path, "alpha", "shop", None, OWN["alpha"], scoped=False)
    Mount("auth", "oidc", "jwt", "people, at the provider").write(platform, None)
    create_kv_mount(platform, "alpha/kv")
    platform.post("identity/group/name/by-hand", {"type": "external"})

    def group(name: str, deployment: str, claim: str = "platform") -> ManagedResource:
        owner = replace(alpha.owner, deployment=deployment)
        return ManagedResource(Group(name, ("default",), "oidc", claim, deployment), owner)

    group("operators", "alpha").write(platform, None)
    with pytest.raises(
        OwnedByOther,
        match=r"group staff has the claim 'platform' of the group operators, of the .*'alpha'",
    ):
        build_plan(platform, [group("staff", "beta")])
    (change,) = build_plan(platform, [group("staff", "alpha")]).changes
    change.resource.write(platform, change.before)
    assert build_plan(platform, [group("staff", "alpha")]).changes == ()
    assert platform.get("identity/group/name/operators")["data"]["alias"] == {}
    auth = platform.get("sys/auth/oidc")["data"]
    by_hand = platform.get("identity/group/name/by-hand")["data"]["id"]
    alias = {"name": "sales", "mount_accessor": auth["accessor"], "canonical_id": by_hand}
    platform.post("identity/group-alias", alias)
    with pytest.raises(OwnedByOther, match="of the group by-hand, which no deployment made"):
        build_plan(platform, [group("sellers", "alpha", "sales")])


def test_mount_of_another_deployment_is_used_but_not_changed(
    server: str, platform: Session, tmp_path: Path
) -> None:
    alpha = tenant(tmp_path, "alpha", "shop", None, SHARED, scoped=False)
    beta = tenant(tmp_path, "beta", "mail", None, SHARED, scoped=False)
    for each in (alpha, beta):
        each.bootstrap(server)
        each.apply(server)
    about = platform.get("sys/mounts")["data"]["shared/kv/"]
    assert about["description"] == "secrets of services (deployment alpha)"
    tokens = {"period": "1h", "secret_id_ttl": "80d", "wrap_ttl": "2m"}
    longer = replace(beta, environment={**beta.environment, "tokens": tokens})
    with pytest.raises(OwnedByOther, match=r"mount auth/shared-roles belongs to .*'alpha'"):
        longer.apply(server)


@pytest.mark.parametrize(
    ("old", "at_once"), [("approle", True), ("approle", False), ("team/roles", False)]
)
def test_role_on_the_mount_of_before_is_an_orphan(
    platform: Session, tmp_path: Path, old: str, at_once: bool
) -> None:
    before = tenant(tmp_path, "alpha", "shop", None, replace(SHARED, approle=old), scoped=False)
    apply(platform, before.plan(platform), lambda _: None)
    moved = replace(before, mounts=replace(SHARED, approle="new-roles"))
    orphans = [f"delete approle shop-dev{part} on auth/{old}" for part in ("", "-starter")]
    if not at_once:
        apply(platform, moved.plan(platform, prune=False), lambda _: None)
        assert [str(each) for each in moved.plan(platform).changes] == orphans
    done: list[str] = []
    apply(platform, moved.plan(platform), lambda change: done.append(str(change)))
    assert sorted(done)[: len(orphans)] == orphans if not at_once else {*orphans} <= {*done}
    assert [each for each in platform.list(f"auth/{old}/role") if "shop" in each] == []
    assert "shop-dev" in platform.list("auth/new-roles/role")
    assert moved.plan(platform).changes == ()


def test_mount_of_an_earlier_version_is_noted_and_no_former_one(
    platform: Session, tmp_path: Path
) -> None:
    alpha = tenant(tmp_path, "alpha", "shop", None, OWN["alpha"], scoped=False)
    apply(platform, alpha.plan(platform), lambda _: None)
    path = f"{alpha.mounts.kv}/metadata/_strongroom/dev/approle/shop-dev"
    noted = platform.get(path)["data"]["custom_metadata"]
    earlier = {key: value for key, value in noted.items() if key != "mount"}
    platform.post(path, {"custom_metadata": earlier})
    (change,) = alpha.plan(platform).changes
    apply(platform, alpha.plan(platform), lambda _: None)
    assert str(change) == "update approle shop-dev"
    assert platform.get(path)["data"]["custom_metadata"] == noted
    assert alpha.plan(platform).changes == ()


def test_missing_mount_is_reported(tmp_path: Path, server: str, platform: Session) -> None:
    alpha = tenant(tmp_path, "alpha", "shop", None, OWN["alpha"], scoped=True)
    alpha.bootstrap(server)
    platform.delete("sys/mounts/alpha/transit")
    with pytest.raises(ApplyFailed, match="nothing is mounted at alpha/transit; have"):
        alpha.apply(server)


class TestScopedApplyRole:
    """Requests that a scoped apply role is denied, by the real server."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[str]:
        with dev_server() as address:
            yield address

    @pytest.fixture(scope="class")
    @classmethod
    def alpha(cls, tmp_path_factory: pytest.TempPathFactory, server: str) -> Tenant:
        folder = tmp_path_factory.mktemp("scoped")
        found = tenant(folder, "alpha", "shop", None, OWN["alpha"], scoped=True)
        found.bootstrap(server)
        found.apply(server)
        with root(server) as platform:
            rule = 'path "*" { capabilities = ["sudo"] }'
            platform.post("sys/policies/acl/admin", {"policy": rule})
        return found

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("sys/policies/acl/shop-dev", {"policy": 'path "*" { capabilities = ["read"] }'}),
            ("sys/policies/acl/alpha-plan", {"policy": 'path "*" { capabilities = ["read"] }'}),
            ("sys/policies/acl/alpha-apply", {"policy": "{text}"}),
            ("sys/policies/acl/mail-dev", {"policy": "{text}"}),
            ("sys/policy/shop-dev", {"policy": 'path "*" { capabilities = ["read"] }'}),
            ("auth/alpha-roles/role/shop-dev", {"token_policies": ["admin"]}),
            ("auth/alpha-roles/role/shop-dev", {"token_policies": ["shop-dev", "admin"]}),
            ("auth/alpha-roles/role/shop-dev", {"policies": ["admin"]}),
            ("auth/alpha-roles/role/shop-dev/policies", {"token_policies": ["admin"]}),
            ("auth/alpha-roles/role/new", {"token_policies": ["admin"]}),
            ("auth/alpha-roles/role/alpha-apply/secret-id", {}),
            ("auth/token/create", {"policies": ["admin"]}),
            ("sys/mounts/new", {"type": "kv"}),
            ("sys/mounts/alpha/kv/tune", {"description": "mine"}),
            ("sys/remount", {"from": "alpha/kv", "to": "x"}),
            ("alpha/kv/config", {"max_versions": 1}),
            ("alpha/kv/data/mail/dev/token", {"data": {"value": "x"}}),
            ("alpha/kv/metadata/mail/dev/token", {"custom_metadata": {}}),
            ("alpha/kv/metadata/_strongroom/dev/policy/mail-dev", {"custom_metadata": {}}),
            ("alpha/transit/keys/mail-dev-pii", {"derived": True}),
            ("alpha/transit/decrypt/shop-dev-pii", {"ciphertext": "vault:v1:x"}),
            ("alpha/database/config/mail-dev", {"plugin_name": "postgresql-database-plugin"}),
            ("alpha/database/config/shop-dev", {"plugin_name": "mysql-database-plugin"}),
            ("identity/group/name/operators", {"policies": ["admin"]}),
            ("sys/leases/revoke-prefix/alpha/database/creds/mail-dev", {}),
        ],
    )
    def test_write_beyond_the_declaration_is_denied(
        self, alpha: Tenant, server: str, path: str, body: dict[str, object]
    ) -> None:
        with alpha.session(server) as session, pytest.raises(AccessDenied):
            session.post(path, body)

    def test_changed_policy_needs_the_platform_team(
        self, alpha: Tenant, server: str, platform: Session
    ) -> None:
        more = alpha.with_more(keys={"pii": {"allow": ["decrypt"]}})
        with pytest.raises(ApplyFailed, match="have the platform team write the output of"):
            more.apply(server)
        more.write_apply_policy(platform)
        assert "update policy shop-dev" in more.apply(server)

    def test_scoped_policy_has_no_wildcard_of_the_system_and_no_sudo(self, tmp_path: Path) -> None:
        alpha = tenant(tmp_path, "alpha", "shop", None, OWN["alpha"], scoped=True)
        rules = parse_rules(scoped_apply_policy(alpha.declare(), DEV), "scoped")
        assert not [rule for rule in rules if "sudo" in rule.capabilities]
        system = [rule.path for rule in rules if rule.path.startswith(("sys/", "identity/"))]
        assert system
        assert not [path for path in system if "*" in path or "+" in path]
