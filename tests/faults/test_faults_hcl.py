"""Tests of the exact messages for policies with one fault each."""

from pathlib import Path

import pytest

from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.hcl.tree import HclError

FOLDER = Path(__file__).parent / "hcl"
POLICIES = sorted(FOLDER.glob("*.hcl"))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_fault_is_reported_with_line_and_hint(policy: Path) -> None:
    with pytest.raises(HclError) as caught:
        parse_rules(policy.read_text(), policy.name)
    assert str(caught.value) == policy.with_suffix(".expected").read_text().rstrip("\n")


def test_each_expected_message_belongs_to_a_policy() -> None:
    expected = {path.with_suffix(".hcl") for path in FOLDER.glob("*.expected")}
    assert expected == set(POLICIES)
    assert len(POLICIES) >= 15
