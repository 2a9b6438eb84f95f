"""Desired resources, computed without a server."""

from __future__ import annotations

from typing import Any

import pytest

from app_integration.names import Environment
from policies.render import render_policies
from vault.declare.load import load
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs


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
