"""Policies with one fault each: what is said about it, word for word."""

from pathlib import Path

import pytest

from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.hcl.syntax import HclError

FOLDER = Path(__file__).parent / "hcl"
POLICIES = sorted(FOLDER.glob("*.hcl"))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.stem)
def test_a_fault_is_named_with_its_line_and_remedy(policy: Path) -> None:
    with pytest.raises(HclError) as caught:
        parse_rules(policy.read_text(), policy.name)
    assert str(caught.value) == policy.with_suffix(".expected").read_text().rstrip("\n")


def test_every_expected_message_belongs_to_a_policy() -> None:
    expected = {path.with_suffix(".hcl") for path in FOLDER.glob("*.expected")}
    assert expected == set(POLICIES)
    assert len(POLICIES) >= 15
