"""What holds for all policies, and what a second evaluator says of them."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.acl.acl import Acl
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from policies.acl.request import OPERATIONS
from tests.support.models import drawn_policies, naive_acl
from tests.support.models.drawn_policies import CAPABILITIES, DrawnRule, text_of

_PATHS: Final = st.lists(drawn_policies.paths, min_size=20, max_size=20)
_checked = settings(max_examples=200, deadline=None)


def _acl(policies: list[list[DrawnRule]]) -> Acl:
    texts = {f"p{number}": text_of(rules) for number, rules in enumerate(policies)}
    return PolicySet(read_policy(name, text) for name, text in texts.items()).acl(texts)


def _granted(acl: Acl, path: str) -> set[str]:
    return {each for each in OPERATIONS if acl.evaluate(path, each).allowed}


@_checked
@given(drawn_policies.policies, _PATHS)
def test_a_second_evaluator_says_the_same(
    policies: list[list[DrawnRule]], paths: list[str]
) -> None:
    acl = _acl(policies)
    for path in paths:
        assert acl.capabilities(path) == naive_acl.capabilities(policies, path), path


@_checked
@given(drawn_policies.policies, drawn_policies.rules, _PATHS)
def test_deny_never_widens(
    policies: list[list[DrawnRule]], rule: DrawnRule, paths: list[str]
) -> None:
    denied = replace(rule, capabilities=("deny",))
    before, after = _acl(policies), _acl([*policies, [denied]])
    for path in paths:
        assert _granted(after, path) <= _granted(before, path), path


@_checked
@given(drawn_policies.policies, st.data(), _PATHS)
def test_further_rule_for_a_pattern_never_narrows(
    policies: list[list[DrawnRule]], data: st.DataObject, paths: list[str]
) -> None:
    # A rule for another pattern may: the closest one decides, whatever others allow.
    known = [each for rules in policies for each in rules]
    further = replace(data.draw(st.sampled_from(known)), capabilities=CAPABILITIES)
    before, after = _acl(policies), _acl([*policies, [further]])
    for path in paths:
        assert _granted(after, path) >= _granted(before, path), path


@_checked
@given(drawn_policies.policies, st.randoms(), _PATHS)
def test_order_of_policies_and_rules_does_not_matter(
    policies: list[list[DrawnRule]], chance: Random, paths: list[str]
) -> None:
    changed = [chance.sample(rules, len(rules)) for rules in policies]
    chance.shuffle(changed)
    before, after = _acl(policies), _acl(changed)
    for path in paths:
        assert before.capabilities(path) == after.capabilities(path), path
