"""Lines on what one policy allows beyond another, by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.acl.acl import Acl
from policies.acl.grant import Origin
from policies.acl.inclusion import Undecided, Witness, find_widenings
from policies.acl.policy import Policy
from policies.acl.policy_set import PolicySet


def describe_changes(
    old: Mapping[str, Policy], new: Mapping[str, Policy]
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield the name of each policy that changes what is allowed, with what more and what less."""
    for name in sorted({*old, *new}):
        before, after = _acl(old.get(name)), _acl(new.get(name))
        more = _describe(find_widenings(before, after))
        less = _describe(find_widenings(after, before))
        if more or less:
            yield name, more, less


def _acl(policy: Policy | None) -> Acl:
    return PolicySet([policy] if policy else []).acl([policy.name] if policy else [])


def _describe(found: Iterator[Witness | Undecided]) -> list[str]:
    """Return a line for each rule that allows more, with its operations and one request."""
    by_rule: dict[tuple[Origin | None, type], list[Witness | Undecided]] = {}
    for each in found:
        by_rule.setdefault((each.decision.origin, type(each)), []).append(each)
    return [_line(origin, each) for (origin, _), each in by_rule.items()]


def _line(origin: Origin | None, found: list[Witness | Undecided]) -> str:
    operations = ", ".join(sorted({each.operation for each in found}))
    rule = f"{operations} on {origin.rule.path} ({origin})" if origin else operations
    example = str(found[0])
    if origin is not None and example == f"{operations} {origin.rule.path}":
        return rule
    return f"{rule}, such as: {example}"
