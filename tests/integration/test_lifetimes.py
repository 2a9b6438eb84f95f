"""TTLs on a real server: none is shorter than declared; apply raises a cap, or fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.support.servers.deployment import Deployment
from tests.support.servers.dev_server import ROOT_TOKEN, dev_server
from tests.support.servers.issuer import Authority
from vault.reconcile.lifetimes import cap_lifetimes
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.certificates import CertRole
from vault.reconcile.resources.jwt import JwtRole, OidcRole
from vault.reconcile.resources.kubernetes import KubernetesRole
from vault.reconcile.resources.mounts import KvConfig, Mount
from vault.reconcile.resources.tokens import TokenRules

pytestmark = pytest.mark.requires("embedded")

DAY = 86_400
#: The server's default maximum TTL.
SYSTEM_MAX = 32 * DAY


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a server where only the tests mount something."""
    with dev_server() as found:
        yield found


@pytest.fixture
def root(address: str) -> Iterator[Session]:
    with Session(address, StaticToken(Secret(ROOT_TOKEN))) as session:
        yield session


def secret_id_ttl(session: Session, role: str) -> int:
    """Return the TTL in seconds of a new secret-id of *role*, 0 if it never expires."""
    path = f"auth/approle/role/{role}"
    accessor = session.post(f"{path}/secret-id", retry=False)["data"]["secret_id_accessor"]
    body = {"secret_id_accessor": accessor}
    found = session.post(f"{path}/secret-id-accessor/lookup", body)["data"]
    if found["expiration_time"].startswith("0001"):
        return 0
    ends, created = (
        datetime.fromisoformat(found[field]) for field in ("expiration_time", "creation_time")
    )
    return round((ends - created).total_seconds())


def look_up_token(session: Session, role: str) -> dict[str, Any]:
    """Log in as *role* and return the look-up of the token."""
    path = f"auth/approle/role/{role}"
    name = session.get(f"{path}/role-id")["data"]["role_id"]
    secret_id = session.post(f"{path}/secret-id", retry=False)["data"]["secret_id"]
    auth = session.post("auth/approle/login", {"role_id": name, "secret_id": secret_id})["auth"]
    found: dict[str, Any] = session.post("auth/token/lookup", {"token": auth["client_token"]})[
        "data"
    ]
    return found


def test_secret_id_has_the_declared_ttl(deployment: Deployment) -> None:
    declared = deployment.local.declaration.environment("dev").tokens.secret_id_ttl
    assert declared > SYSTEM_MAX
    assert secret_id_ttl(deployment.operator, "gaara-store-dev") == declared


ROLES: list[Mapping[str, int]] = [
    {"secret_id_ttl": 90 * DAY},
    {"secret_id_ttl": 600},
    {"secret_id_ttl": 0},
    {"token_period": 40 * DAY},
    {"token_period": 600, "token_max_ttl": 300},
    {"token_period": 600, "token_explicit_max_ttl": 200},
    {"token_ttl": 600, "token_max_ttl": 900},
    {"token_ttl": 40 * DAY, "token_max_ttl": 50 * DAY},
    {"token_ttl": 600, "token_max_ttl": 900, "token_explicit_max_ttl": 100},
]


@pytest.mark.parametrize("mount_max", [0, 400, 45 * DAY], ids=["untuned", "400s", "45d"])
@pytest.mark.parametrize("role", ROLES, ids=str)
def test_cap_lifetimes_equals_what_the_server_grants(
    root: Session, role: Mapping[str, int], mount_max: int
) -> None:
    approle = Mount("auth", "approle", "approle", "of this test")
    approle.write(root, approle.read(root))
    # Zero removes the limit.
    root.post("sys/auth/approle/tune", {"max_lease_ttl": mount_max})
    root.delete("auth/approle/role/probe")
    root.post("auth/approle/role/probe", dict(role))
    granted = cap_lifetimes(root.get("auth/approle/role/probe")["data"], mount_max or SYSTEM_MAX)
    if "secret_id_ttl" in role:
        assert secret_id_ttl(root, "probe") == granted["secret_id_ttl"]
        return
    token = look_up_token(root, "probe")
    assert token["creation_ttl"] == (granted["token_period"] or granted["token_ttl"])


def test_cap_lifetimes_equals_the_lease_of_a_database_user(deployment: Deployment) -> None:
    session = deployment.operator
    body = dict(session.get("database/roles/gaara-store-dev")["data"])
    body |= {"default_ttl": 5 * DAY, "max_ttl": 6 * DAY}
    session.post("database/roles/gaara-store-dev-capped", body)
    connection = session.get("database/config/gaara-store-dev")["data"]
    allowed = [*connection["allowed_roles"], "gaara-store-dev-capped"]
    session.post("database/config/gaara-store-dev", {"allowed_roles": allowed})
    try:
        session.post("sys/mounts/database/tune", {"max_lease_ttl": "1h"})
        role = session.get("database/roles/gaara-store-dev-capped")["data"]
        lease = session.get("database/creds/gaara-store-dev-capped")
        session.post("sys/leases/revoke", {"lease_id": lease["lease_id"], "sync": True})
        assert lease["lease_duration"] == cap_lifetimes(role, 3600)["default_ttl"] == 3600
    finally:
        session.delete("database/roles/gaara-store-dev-capped")
        restore(deployment)


def restore(deployment: Deployment) -> None:
    local = deployment.local
    resources = local.desired(local.inputs())
    apply(deployment.operator, build_plan(deployment.operator, resources), lambda _: None)
    assert build_plan(deployment.operator, resources).changes == ()


def differences(plan: Plan) -> set[tuple[str, str, Any, Any]]:
    """Return (kind, field, value on the server, declared value) of each difference."""
    return {
        (change.kind, field.field, field.before, field.after)
        for change in plan.changes
        for field in change.fields
    }


def test_lowered_mount_limit_is_detected_and_raised(deployment: Deployment) -> None:
    operator = deployment.operator
    operator.post("sys/auth/approle/tune", {"max_lease_ttl": "10m"})
    operator.post("sys/auth/userpass/tune", {"max_lease_ttl": "20m"})
    operator.post("sys/mounts/database/tune", {"max_lease_ttl": "30m"})
    local = deployment.local
    with local.operator("strongroom-plan") as reader:
        found = differences(build_plan(reader, local.desired(local.inputs())))
    assert found == {
        ("mount", "max_lease_ttl", 600, 90 * DAY),
        ("mount", "max_lease_ttl", 1200, 12 * 3600),
        ("mount", "max_lease_ttl", 1800, DAY),
        ("approle", "secret_id_ttl", 600, 90 * DAY),
        ("approle", "token_period", 600, 3600),
        ("approle", "token_ttl", 600, 900),
        ("approle", "token_max_ttl", 600, 900),
        ("userpass", "token_ttl", 1200, 3600),
        ("userpass", "token_max_ttl", 1200, 12 * 3600),
        ("database-role", "default_ttl", 1800, 3600),
        ("database-role", "max_ttl", 1800, DAY),
    }
    restore(deployment)
    assert secret_id_ttl(operator, "gaara-store-dev") == 90 * DAY


def test_mount_limit_above_the_declared_ttl_is_kept(deployment: Deployment) -> None:
    operator = deployment.operator
    operator.post("sys/mounts/database/tune", {"max_lease_ttl": "1000h"})
    restore(deployment)
    assert operator.get("sys/mounts/database/tune")["data"]["max_lease_ttl"] == 1000 * 3600
    operator.post("sys/mounts/database/tune", {"max_lease_ttl": 0})
    restore(deployment)


RULES = TokenRules(("default",), period=40 * DAY)
LOGINS: dict[str, Resource] = {
    "jwt": JwtRole("service", "jwt", "strongroom", "a", {}, RULES),
    "oidc": OidcRole("service", "oidc", ("http://localhost:1/",), "sub", "groups", (), {}, RULES),
    "kubernetes": KubernetesRole("service", "kubernetes", ("shops",), ("web",), "", RULES),
    "cert": CertRole("service", "cert", Authority().pem, ("a.example.com",), RULES),
}


@pytest.mark.parametrize("method", LOGINS)
def test_token_period_of_each_auth_method_is_compared(root: Session, method: str) -> None:
    mount = Mount("auth", method, method, "of this test", max_ttl=40 * DAY)
    resources = [mount, LOGINS[method]]
    apply(root, build_plan(root, resources), lambda _: None)
    assert build_plan(root, resources).changes == ()
    root.post(f"sys/auth/{method}/tune", {"max_lease_ttl": "10m"})
    assert differences(build_plan(root, resources)) == {
        ("mount", "max_lease_ttl", 600, 40 * DAY),
        (LOGINS[method].kind, "token_period", 600, 40 * DAY),
    }
    apply(root, build_plan(root, resources), lambda _: None)
    assert build_plan(root, resources).changes == ()


class FixedLimitSession(Session):
    """A session to a server that accepts every limit but keeps its own."""

    def post(self, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        if path.endswith("/tune"):
            body = {key: value for key, value in body.items() if key != "max_lease_ttl"}
        return super().post(path, body, **options)


def test_cap_that_cannot_be_raised_fails_with_both_ttls(root: Session, address: str) -> None:
    root.delete("sys/auth/approle")
    mount = Mount("auth", "approle", "approle", "of this test", max_ttl=90 * DAY)
    role = AppRole("service", ("default",), token_period=600, secret_id_ttl=90 * DAY)
    with FixedLimitSession(address, StaticToken(Secret(ROOT_TOKEN))) as session:
        both: list[list[Resource]] = [[mount, role], [role]]
        for resources in both:
            with pytest.raises(ApplyFailed, match=r"is 90d in the declaration.*grants 32d at most"):
                apply(session, build_plan(session, resources), lambda _: None)
    apply(root, build_plan(root, [mount, role]), lambda _: None)
    assert build_plan(root, [mount, role]).changes == ()
    assert root.list("auth/approle/role/service/secret-id") == []


def test_secrets_keep_the_declared_number_of_versions(root: Session) -> None:
    mount = Mount("mounts", "kept", "kv", "of this test", version=2)
    apply(root, build_plan(root, [mount, KvConfig("kept", 10)]), lambda _: None)
    root.post("kept/metadata/short", {"max_versions": 2})
    for number in range(12):
        root.post("kept/data/short", {"data": {"value": str(number)}})
    assert len(root.get("kept/metadata/short")["data"]["versions"]) == 10
    root.post("kept/config", {"max_versions": 3, "delete_version_after": "1h"})
    assert differences(build_plan(root, [mount, KvConfig("kept", 10)])) == {
        ("kv-config", "max_versions", 3, 10),
        ("kv-config", "delete_version_after", 3600, 0),
    }
