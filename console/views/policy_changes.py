"""Lines on what one policy allows beyond another, by rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from policies.acl.acl import Acl
from policies.acl.grant import Origin
from policies.acl.inclusion import Undecided, Witness, find_widenings
from policies.acl.policy import Policy, read_policy
from policies.acl.policy_set import make_acl
from vault.reconcile.hcl.tree import HclError
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources.policies import Policy as PolicyResource

#: A comment of a policy, and the reason that it gives.
_COMMENT: Final = re.compile(r"\s*(?:#|//)\s*(?:widens:\s*(\S.*?)\s*$)?")


@dataclass(frozen=True, slots=True)
class Difference:
    """Requests that only one of two policies allows, by the rule, with one of them for each.

    *reason* is what the comment above the rule says.
    """

    text: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.text}; reason: {self.reason}" if self.reason else self.text


def describe_changes(
    old: Mapping[str, Policy], new: Mapping[str, Policy]
) -> Iterator[tuple[str, list[Difference], list[Difference]]]:
    """Yield the name of each policy that changes what is allowed, with what more and what less."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        more, less = find_more(before, after), find_more(after, before)
        if more or less:
            yield name, more, less


def with_widening(plan: Plan) -> Plan:
    """Return *plan* with the policies that allow more than those on the server, and what."""
    widening = [
        (change, line)
        for change in plan.changes
        if change.kind == PolicyResource.kind and change.before is not None
        for field in change.fields
        if field.field == "policy"
        for line in _compare(change.resource.name, str(field.before), str(field.after))
    ]
    return replace(plan, widening=widening, may_widen=True) if widening else plan


def _compare(name: str, before: str, after: str) -> list[str]:
    """Return what the text *after* allows more than the server's text *before*."""
    try:
        old = read_policy(name, before)
    except HclError:
        return ["not compared: the policy on the server cannot be read"]
    return [str(each) for each in find_more(old, read_policy(name, after))]


def find_more(before: Policy | None, after: Policy | None) -> list[Difference]:
    """Return what *after* allows that *before* refuses, for each rule that does."""
    by_rule: dict[Origin | None, list[Witness | Undecided]] = {}
    for each in find_widenings(_acl(before), _acl(after)):
        by_rule.setdefault(each.decision.origin, []).append(each)
    return [
        Difference(_line(origin, found), _find_reason(before, after, origin))
        for origin, found in by_rule.items()
    ]


def _find_reason(before: Policy | None, after: Policy | None, origin: Origin | None) -> str | None:
    """Return what follows ``widens:`` in the comment directly above the rule of *origin*.

    A reason that *before* has, too, is one for something else.
    """
    lines = after.text.splitlines()[: origin.line - 1] if after and origin else []
    comments = takewhile(bool, map(_COMMENT.match, reversed(lines)))
    reason = next((each[1] for each in comments if each and each[1]), None)
    return None if reason and before and reason in before.text else reason


def _acl(policy: Policy | None) -> Acl:
    return make_acl(policy) if policy else Acl(())


def _line(origin: Origin | None, found: list[Witness | Undecided]) -> str:
    operations = ", ".join(sorted({each.operation for each in found}))
    if origin is None:
        return f"{operations}, such as: {found[0]}"
    rule = f"{operations} on {origin.rule.path} ({origin})"
    first = found[0]
    is_plain = str(first) == f"{first.operation} {origin.rule.path}"
    return rule if is_plain else f"{rule}, such as: {first}"
