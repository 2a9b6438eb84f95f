"""Desired resources, computed without a server."""

from __future__ import annotations

from typing import Any

import pytest

from app_integration.names import Environment, Scope
from policies.render import render_policies
from tests.unit.vault.conftest import change_deployment
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.rotation.inventory import declared_items
from vault.rotation.item_kind import Kind


def with_green() -> Declaration:
    """Return the declaration with one colour of the store in prod."""
    scope = Scope("gaara-store", Environment.PROD)
    return change_deployment(load(), scope, colours=("green",))


def approles(environment: Environment) -> dict[str, dict[str, Any]]:
    policies = render_policies(load(), environment)
    found = desired_resources(load(), environment, policies, Inputs())
    return {each.name: dict(each.desired()) for each in found if each.kind == "approle"}


@pytest.mark.parametrize("environment", sorted(load().environments))
def test_approles_have_no_use_limits_and_services_no_max_ttl(environment: Environment) -> None:
    roles = approles(environment)
    for name, role in roles.items():
        # A use limit breaks renewals, and a second login uses the secret-id again.
        assert (role["token_num_uses"], role["secret_id_num_uses"]) == (0, 0), name
        assert role["token_no_default_policy"] is True, name
    service = roles[f"gaara-store-{environment}"]
    assert service["token_period"] == 3600
    assert service["token_max_ttl"] == 0


def test_colours_have_the_rights_of_their_service_under_roles_of_their_own() -> None:
    declaration = with_green()
    policies = render_policies(declaration, Environment.PROD)
    assert policies["gaara-store-prod-green"] == policies["gaara-store-prod"]
    found = desired_resources(declaration, Environment.PROD, policies, Inputs())
    roles = {each.name: dict(each.desired()) for each in found if each.kind == "approle"}
    green, service = roles["gaara-store-prod-green"], roles["gaara-store-prod"]
    assert green.pop("token_policies") == ["gaara-store-prod-green"]
    assert service.pop("token_policies") == ["gaara-store-prod"]
    assert green == service


def test_secret_ids_of_colours_are_rotated_like_those_of_the_service() -> None:
    declaration = with_green()
    items = declared_items(declaration, Environment.PROD, "gaara-store")
    names = [each.name for each in items if each.kind is Kind.SECRET_ID]
    assert names == ["gaara-store-prod", "gaara-store-prod-green", "gaara-store-prod-starter"]
    assert (
        "gaara-store-prod-green"
        in render_policies(declaration, Environment.PROD)["strongroom-rotator"]
    )
