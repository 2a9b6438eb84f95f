"""Policy of a starter: the limits of the secret-ids that it issues."""

from __future__ import annotations

from app_integration.names import Environment, Scope
from policies.render import render_policies
from vault.declare.load import load
from vault.reconcile.hcl.policy_rules import parse_rules

SCOPE = Scope("gaara-store", Environment.DEV)


def test_empty_limits_are_denied_because_vault_takes_them_for_allowed() -> None:
    (rule,) = (
        rule
        for rule in parse_rules(render_policies(load(), SCOPE.environment)[SCOPE.starter])
        if rule.path == f"auth/approle/role/{SCOPE}/secret-id"
    )
    empty = 'path "x" { denied_parameters { num_uses = [""] ttl = [""] } }'
    (expected,) = parse_rules(empty)
    assert expected.constraints <= rule.constraints
