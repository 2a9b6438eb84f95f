"""Policies, each permission as the server evaluates it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import AccessDenied, RequestRefused, StrongroomError
from app_integration.names import Environment, Scope
from app_integration.permissions import IMPLIED, Need, need
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from console.page.sources.leases import read_leases
from policies.render import render_policies
from tests.support.servers.deployment import Deployment
from vault.declare.load import load

pytestmark = pytest.mark.requires("embedded")

SCOPE = Scope("gaara-store", Environment.DEV)
SECRETS = ("database-url", "jwt-secret", "redis-url", "smtp-password")

SERVICE_NEEDS = {
    *(need("read-secret", SCOPE.secret(name)) for name in SECRETS),
    need("encrypt", SCOPE.key("pii")),
    need("decrypt", SCOPE.key("pii")),
    need("encrypt", SCOPE.key("index")),
    need("decrypt", SCOPE.key("index")),
    need("encrypt", SCOPE.key("audit")),
    need("lease-database-user", SCOPE.database_role()),
    need("lease-database-user", SCOPE.redis_role()),
    need("hash-for-audit", "audit-1"),
    *IMPLIED,
}


def parse_grants(text: str) -> set[Need]:
    """Return the (path, capability) pairs in a policy of plain rules."""
    rules = re.findall(r'path "([^"]+)" \{\s*capabilities\s*=\s*\[([^\]]*)\]', text)
    return {
        Need(path, capability)
        for path, capabilities in rules
        for capability in re.findall(r'"(\w+)"', capabilities)
    }


def test_service_policy_grants_exactly_what_the_service_needs() -> None:
    text = render_policies(load(), Environment.DEV)[str(SCOPE)]
    assert parse_grants(text) == SERVICE_NEEDS


#: Policy → the allowed (capability, path) pairs, and the denied ones.
MATRIX = {
    "gaara-store-dev": (
        [
            ("read", "secret/data/gaara-store/dev/jwt-secret"),
            ("read", "database/creds/gaara-store-dev"),
            ("read", "database/creds/gaara-store-dev-redis"),
        ],
        [
            ("update", "secret/data/gaara-store/dev/jwt-secret"),
            ("read", "secret/data/gaara-store/dev/other"),
            ("read", "secret/data/gaara-store/prod/jwt-secret"),
            ("read", "secret/data/other/dev/jwt-secret"),
            ("list", "secret/metadata/gaara-store/dev/"),
            ("update", "transit/decrypt/gaara-store-dev-audit"),
            ("update", "sys/audit-hash/audit-2"),
            ("update", "transit/encrypt/gaara-store-prod-pii"),
            ("read", "transit/export/encryption-key/gaara-store-dev-pii"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id"),
            ("read", "sys/policies/acl/gaara-store-dev"),
        ],
    ),
    "gaara-store-dev-starter": (
        [("update", "auth/approle/role/gaara-store-dev/secret-id")],
        [
            ("read", "secret/data/gaara-store/dev/jwt-secret"),
            ("update", "auth/approle/role/strongroom-apply/secret-id"),
            ("read", "auth/approle/role/gaara-store-dev/role-id"),
        ],
    ),
    "orders-mail-dev": (
        [
            ("read", "secret/data/orders-mail/dev/redis-url"),
            ("update", "transit/encrypt/orders-mail-dev-receipts"),
            ("read", "database/creds/orders-mail-dev-readonly"),
        ],
        [
            ("read", "secret/data/gaara-store/dev/redis-url"),
            ("update", "transit/decrypt/gaara-store-dev-pii"),
            ("read", "database/creds/gaara-store-dev"),
            ("read", "database/creds/orders-mail-dev"),
        ],
    ),
    "orders-mail-dev-starter": (
        [("update", "auth/approle/role/orders-mail-dev/secret-id")],
        [("update", "auth/approle/role/gaara-store-dev/secret-id")],
    ),
    "strongroom-plan": (
        [
            ("read", "sys/policies/acl/gaara-store-dev"),
            ("read", "secret/metadata/gaara-store/dev/x"),
            ("read", "auth/oidc/config"),
            ("read", "auth/jwt/role/gaara-store-dev"),
            ("read", "auth/kubernetes/role/gaara-store-dev"),
            ("read", "auth/cert/certs/gaara-store-dev"),
            ("read", "identity/group/name/operators"),
            ("list", "sys/quotas/rate-limit"),
            ("update", "identity/lookup/group"),
        ],
        [
            ("read", "secret/data/gaara-store/dev/jwt-secret"),
            ("update", "sys/policies/acl/gaara-store-dev"),
            ("update", "secret/metadata/gaara-store/dev/jwt-secret"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id"),
            ("list", "auth/approle/role/gaara-store-dev/secret-id/"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id-accessor/lookup"),
            ("read", "auth/approle/role/gaara-store-dev/role-id"),
            ("read", "auth/approle/role/strongroom-apply/role-id"),
            ("read", "database/creds/gaara-store-dev"),
            ("update", "transit/decrypt/gaara-store-dev-pii"),
            ("update", "auth/jwt/role/gaara-store-dev"),
            ("update", "auth/oidc/config"),
            ("update", "identity/group/name/operators"),
            ("update", "identity/group-alias"),
            ("read", "identity/entity/name/ada"),
        ],
    ),
    "strongroom-apply": (
        [("update", "sys/policies/acl/gaara-store-dev"), ("sudo", "sys/audit")],
        [],
    ),
    "strongroom-rotator": (
        [
            ("create", "secret/data/gaara-store/dev/jwt-secret"),
            ("update", "transit/keys/gaara-store-dev-pii/rotate"),
            ("update", "transit/keys/gaara-store-dev-pii/config"),
            ("update", "database/rotate-root/gaara-store-dev"),
        ],
        [
            ("delete", "secret/data/gaara-store/dev/jwt-secret"),
            ("read", "secret/data/gaara-store/prod/jwt-secret"),
            ("create", "secret/data/other-team/dev/x"),
            ("update", "secret/metadata/gaara-store/dev/jwt-secret"),
            ("patch", "secret/metadata/gaara-store/dev/jwt-secret"),
            ("update", "sys/policies/acl/gaara-store-dev"),
            ("update", "transit/decrypt/gaara-store-dev-pii"),
            ("delete", "transit/keys/gaara-store-dev-pii"),
            ("update", "transit/keys/gaara-store-dev-pii/trim"),
            ("read", "database/creds/gaara-store-dev"),
        ],
    ),
    "strongroom-auditor": (
        [
            ("read", "sys/policies/acl/gaara-store-dev"),
            ("update", "sys/audit-hash/first"),
            ("read", "sys/storage/raft/autopilot/state"),
            ("read", "identity/group/name/operators"),
            ("read", "auth/cert/certs/gaara-store-dev"),
            ("read", "secret/metadata/gaara-store/dev/jwt-secret"),
            ("update", "transit/decrypt/gaara-store-dev-audit"),
            ("list", "auth/approle/role/gaara-store-dev/secret-id"),
            ("list", "auth/approle/role/strongroom-apply/secret-id"),
            ("update", "auth/approle/role/gaara-store-dev-starter/secret-id-accessor/lookup"),
            ("list", "sys/leases/lookup/database/creds/gaara-store-dev/"),
            ("list", "sys/leases/lookup/database/creds/orders-mail-dev-readonly/"),
            ("update", "sys/leases/lookup"),
            ("read", "sys/leases"),
        ],
        [
            ("read", "secret/data/gaara-store/dev/jwt-secret"),
            ("update", "secret/data/gaara-store/dev/jwt-secret"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id/lookup"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id-accessor/destroy"),
            ("list", "auth/approle/role/other-dev/secret-id"),
            ("update", "transit/decrypt/gaara-store-dev-pii"),
            ("update", "transit/decrypt/gaara-store-dev-index"),
            ("update", "transit/decrypt/orders-mail-dev-receipts"),
            ("update", "transit/encrypt/gaara-store-dev-audit"),
            ("update", "sys/policies/acl/gaara-store-dev"),
            ("read", "auth/approle/role/gaara-store-dev/role-id"),
            ("read", "auth/approle/role/strongroom-apply/role-id"),
            ("read", "database/creds/gaara-store-dev"),
            ("list", "sys/leases/lookup/database/creds/other-dev/"),
            ("list", "sys/leases/lookup/auth/approle/login/"),
            ("update", "sys/leases/renew"),
            ("update", "sys/leases/revoke"),
            ("update", "sys/leases/revoke-prefix/database/creds/gaara-store-dev"),
        ],
    ),
    "developer": (
        [
            ("create", "secret/data/gaara-store/dev/new"),
            ("list", "secret/metadata/gaara-store/"),
            ("update", "transit/decrypt/gaara-store-dev-pii"),
            ("read", "database/creds/gaara-store-dev"),
        ],
        [
            ("read", "secret/data/gaara-store/prod/jwt-secret"),
            ("update", "sys/policies/acl/developer"),
            ("delete", "transit/keys/gaara-store-dev-pii"),
            ("update", "auth/approle/role/gaara-store-dev/secret-id"),
        ],
    ),
}

#: Colours have the rights of their service.
MATRIX |= {f"gaara-store-dev-{colour}": MATRIX["gaara-store-dev"] for colour in ("blue", "green")}

CELLS = [
    (policy, capability, path, allowed)
    for policy, (allow, deny) in MATRIX.items()
    for allowed, cells in ((True, allow), (False, deny))
    for capability, path in cells
]


@pytest.mark.parametrize("policy", MATRIX)
def test_server_capabilities_equal_the_matrix(deployment: Deployment, policy: str) -> None:
    cells = [tuple(cell) for name, *cell in CELLS if name == policy]
    with deployment.token(policy) as token:
        body = {"token": token.reveal(), "paths": [path for _, path, _ in cells]}
        found = deployment.operator.post("sys/capabilities", body)["data"]
    assert [(each, path, each in found[path]) for each, path, _ in cells] == cells


def test_matrix_covers_every_policy() -> None:
    assert set(MATRIX) == set(render_policies(load(), Environment.DEV))


def test_developer_policy_exists_only_in_dev() -> None:
    for environment in (Environment.STAGING, Environment.PROD):
        assert "developer" not in render_policies(load(), environment)


def test_starter_cannot_issue_an_unwrapped_secret_id(deployment: Deployment) -> None:
    with deployment.local.operator(SCOPE.starter) as starter, pytest.raises(StrongroomError):
        starter.post(f"auth/approle/role/{SCOPE}/secret-id")


#: Lease ids that the service knows, but that belong to others.
OTHER_LEASES = [
    "database/creds/other-dev/abc",
    "database/creds/gaara-store-dev-reports/abc",
    "database/creds/gaara-store-dev",
    "auth/approle/login/abc",
]


@pytest.fixture(scope="module")
def store(deployment: Deployment) -> Iterator[Session]:
    with open_session(deployment.local.service("gaara-store").settings()) as opened:
        yield opened


def test_service_renews_and_revokes_its_own_leases(store: Session) -> None:
    lease = store.get("database/creds/gaara-store-dev")["lease_id"]
    store.post("sys/leases/renew", {"lease_id": lease, "increment": 60})
    store.post("sys/leases/revoke", {"lease_id": lease, "sync": True})
    with pytest.raises(RequestRefused):
        store.post("sys/leases/renew", {"lease_id": lease, "increment": 60})


@pytest.mark.parametrize("act", ["renew", "revoke"])
@pytest.mark.parametrize("lease", OTHER_LEASES)
def test_service_cannot_renew_or_revoke_other_leases(store: Session, act: str, lease: str) -> None:
    for path, body in (
        (f"sys/leases/{act}", {"lease_id": lease}),
        (f"sys/leases/{act}", {"url_lease_id": lease}),
        (f"sys/leases/{act}", {"LEASE_ID": lease}),
        (f"sys/leases/{act}/{lease}", {}),
        (f"sys/{act}", {"lease_id": lease}),
    ):
        with pytest.raises(AccessDenied):
            store.post(path, body)


def test_policy_without_database_and_redis_grants_no_leases() -> None:
    declaration = load()
    needs = {"database": None, "redis": None}
    service = declaration.services["gaara-store"].model_copy(update=needs)
    without = replace(declaration, services={**declaration.services, "gaara-store": service})
    assert "sys/leases" not in render_policies(without, Environment.DEV)[str(SCOPE)]


def test_auditor_reads_the_leases_of_every_declared_role(deployment: Deployment) -> None:
    address = deployment.ports.vault_address
    with (
        deployment.token(str(SCOPE)) as service,
        deployment.token("strongroom-auditor") as token,
        Session(address, StaticToken(service)) as store,
        Session(address, StaticToken(token)) as auditor,
    ):
        store.get(f"database/creds/{SCOPE.database_role()}")
        found = {each.role: each for each in read_leases(auditor, load(), Environment.DEV).roles}
    own = found[SCOPE.database_role()]
    assert (own.count > 0, len(own.leases), own.failures) == (True, own.count, ())
