"""Plan of what a credential may read: the rest is named, and counted nowhere."""

from __future__ import annotations

import pytest

from app_integration.errors import AccessDenied, Unreachable
from tests.unit.vault.conftest import FixedResponses
from vault.reconcile.planning.partial_plan import build_partial_plan
from vault.reconcile.planning.plan import Action
from vault.reconcile.resources.policies import Policy

SAME = 'path "a" { capabilities = ["read"] }'


def with_policies(**policies: str | Exception) -> FixedResponses:
    """Return a server with a policy for each name, and an error for those that have one."""
    responses = {
        f"sys/policies/acl/{name}": {"policy": found} if isinstance(found, str) else found
        for name, found in policies.items()
    }
    return FixedResponses(responses)


MAY_READ = 'path "sys/policies/acl/*" { capabilities = ["read"] }'
POLICIES = [Policy(name, SAME) for name in ("equal", "other", "secret")]


def test_denied_resource_is_neither_a_change_nor_unchanged() -> None:
    same = Policy("equal", SAME).body()
    server = with_policies(equal=same, other="", secret=AccessDenied("no"))
    found = build_partial_plan(server, POLICIES, MAY_READ)
    assert [(each.action, each.resource.name) for each in found.plan.changes] == [
        (Action.UPDATE, "other")
    ]
    assert (found.plan.unchanged, found.denied) == (1, (POLICIES[2],))


def test_plan_of_which_all_may_be_read_is_whole() -> None:
    same = Policy("equal", SAME).body()
    server = with_policies(equal=same, other=same, secret=same)
    assert build_partial_plan(server, POLICIES, MAY_READ).denied == ()


def test_server_that_is_unreachable_is_no_denial() -> None:
    with pytest.raises(Unreachable):
        build_partial_plan(
            with_policies(equal=Unreachable("gone"), other="", secret=""), POLICIES, MAY_READ
        )


@pytest.mark.parametrize(
    ("policy", "denied"),
    [
        ('path "sys/policies/acl/+" { capabilities = ["read"] }', []),
        ('path "sys/+/acl/o*" { capabilities = ["read"] }', ["equal", "secret"]),
        ('path "sys/policies/acl/equal" { capabilities = ["read"] }', ["other", "secret"]),
        (
            'path "sys/policies/*" { capabilities = ["list", "update"] }',
            ["equal", "other", "secret"],
        ),
        ('path "sys/policies/+" { capabilities = ["read"] }', ["equal", "other", "secret"]),
    ],
)
def test_what_the_policy_does_not_grant_is_not_requested(policy: str, denied: list[str]) -> None:
    same = Policy("equal", SAME).body()
    granted = {name: same for name in ("equal", "other", "secret") if name not in denied}
    server = with_policies(**granted)
    found = build_partial_plan(server, POLICIES, policy)
    assert [each.name for each in found.denied] == denied
    assert {path.rpartition("/")[2] for path in server.paths} == granted.keys()
