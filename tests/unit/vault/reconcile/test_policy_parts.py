"""Parts of a policy that is longer than a server stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from benchmarks.plan import build_declaration
from policies.render import render_policies, scoped_apply_policy
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.hcl.policy_parts import LARGEST, part_names, split_policy, stored_size
from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.inputs import Inputs

DEV = Environment.DEV
SERVICES = 150
#: Five rules of 40 to 66 bytes, each with a comment above it.
TEXT = "# Of both.\n" + "".join(
    f'{"# The second." if each == 2 else "#"}\npath "kv/{each}" {{ capabilities = ["read"] }}\n'
    for each in range(1, 6)
)


def test_short_policy_is_one_part_as_it_is() -> None:
    assert split_policy("job", TEXT) == {"job": TEXT}
    assert split_policy("job", "") == {"job": ""}


@pytest.mark.parametrize("largest", [85, 120, 190])
def test_parts_have_all_rules_with_their_comments(largest: int) -> None:
    parts = split_policy("job", TEXT, largest)
    assert "".join(parts.values()) == TEXT
    assert all(stored_size(part) <= largest for part in parts.values())
    assert list(parts) == list(part_names("job", parts))
    assert frozenset[object]().union(*map(parse_rules, parts.values())) == parse_rules(TEXT)
    assert [part for part in parts.values() if '# The second.\npath "kv/2"' in part]


def test_rule_that_is_too_long_is_a_part() -> None:
    parts = split_policy("job", TEXT, 10)
    assert list(parts) == ["job", "job-2", "job-3", "job-4", "job-5"]


def test_names_of_parts_end_with_the_first_that_is_missing() -> None:
    assert part_names("job", {"job", "job-2", "job-4", "other-3"}) == ("job", "job-2")
    assert part_names("job", ()) == ("job",)


def test_role_of_a_job_has_all_parts_of_its_policy() -> None:
    declaration = build_declaration(SERVICES)
    policies = render_policies(declaration, DEV)
    assert all(stored_size(text) <= LARGEST for text in policies.values())
    parts = ["strongroom-rotator", "strongroom-rotator-2"]
    resources = desired_resources(declaration, DEV, policies, Inputs())
    assert {*parts} <= {each.name for each in resources if each.kind == "policy"}
    roles = {each.name: each.desired() for each in resources if each.kind == "approle"}
    assert roles["strongroom-rotator"]["token_policies"] == parts
    assert "strongroom-rotator-2" not in roles
    assert roles["strongroom-plan"]["token_policies"] == ["strongroom-plan"]


def test_scoped_policy_of_too_many_services_is_refused() -> None:
    declaration = build_declaration(SERVICES)
    declared = declaration.environment(DEV)
    vault = declared.vault.model_copy(update={"apply_role": "scoped"})
    scoped = {DEV: declared.model_copy(update={"vault": vault})}
    with pytest.raises(ConfigurationError, match=r"dev: .* those of 150 services, .* 'apply_role"):
        scoped_apply_policy(replace(declaration, environments=scoped), DEV)
