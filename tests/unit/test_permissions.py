"""Policy capabilities of operations, and the policy rule in the error of a denied request."""

from __future__ import annotations

import pytest

from app_integration import permissions
from app_integration.names import Environment, Scope
from app_integration.permissions import Need

SCOPE = Scope("gaara-store", Environment.DEV)


def test_need_returns_policy_rule() -> None:
    need = permissions.need("read-secret", SCOPE.secret("jwt-secret"))
    assert need == Need("secret/data/gaara-store/dev/jwt-secret", "read")
    assert need.policy_rule() == (
        'path "secret/data/gaara-store/dev/jwt-secret" { capabilities = ["read"] }'
    )


@pytest.mark.parametrize(
    ("method", "path", "capabilities"),
    [
        ("GET", "secret/data/shop/dev/x", '"read"'),
        ("POST", "secret/data/shop/dev/x", '"create", "update"'),
        ("POST", "transit/encrypt/shop-dev-pii", '"update"'),
        ("GET", "database/creds/shop-dev", '"read"'),
        ("POST", "sys/leases/renew", '"update"'),
        ("LIST", "secret/metadata/shop/", '"list"'),
        ("DELETE", "sys/mounts/x", '"delete"'),
    ],
)
def test_policy_rule_of_request_is_that_of_its_operation(
    method: str, path: str, capabilities: str
) -> None:
    rule = permissions.policy_rule(method, f"{path}?version=2" if method == "GET" else path)
    assert rule == f'path "{path}" {{ capabilities = [{capabilities}] }}'
