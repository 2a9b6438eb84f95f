"""Plan of one service: what belongs to it, and the shared objects that it needs."""

from __future__ import annotations

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from tests.unit.vault.conftest import FixedResponses
from vault.reconcile.planning.service_plan import build_service_plan, find_service
from vault.reconcile.resources import Resource
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.guards import PasswordPolicy
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.policies import Policy

SHOP = Scope("shop", Environment.DEV)


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("shop-dev", "shop"),
        ("shop-dev-pii", "shop"),
        ("shop/dev/token", "shop"),
        ("shop-dev-dev-x", "shop"),
        ("mail-dev-dev-x", "mail-dev"),
        ("shop-devil", "-"),
        ("other-dev", "-"),
        ("other/dev/token", "-"),
        ("strongroom-plan", "-"),
        ("-dev", "-"),
    ],
)
def test_service_of_a_resource_is_found_by_its_name(name: str, service: str) -> None:
    assert find_service(name, "dev", {"shop", "shop-dev", "mail-dev"}) == service


def test_shared_object_that_the_service_needs_is_named_before_any_write() -> None:
    resources: list[Resource] = [
        Mount("auth", "approle", "approle", "services and jobs"),
        Policy("shop-dev", ""),
        Policy("strongroom-plan", ""),
        PasswordPolicy("database", 32, symbols=False),
        AppRole("shop-dev", ("shop-dev",)),
        AppRole("mail-dev", ("mail-dev",)),
    ]
    server = FixedResponses({"sys/auth": {}})
    with pytest.raises(ConfigurationError, match=r"create mount auth/approle\); plan and apply wi"):
        build_service_plan(server, resources, SHOP, ["shop", "mail"])
    assert "mail-dev" not in str(server.paths)
    assert "strongroom-plan" not in str(server.paths)
    assert "password" not in str(server.paths)
