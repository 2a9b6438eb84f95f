"""Lines on what one policy allows beyond another, by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from policies.acl.acl import Acl
from policies.acl.grant import Origin
from policies.acl.inclusion import Undecided, Witness, find_widenings
from policies.acl.policy import Policy, read_policy
from policies.acl.policy_set import PolicySet
from vault.reconcile.hcl.tree import HclError
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources.policies import Policy as PolicyResource


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


def with_widening(plan: Plan) -> Plan:
    """Return *plan* with the policies that allow more than those on the server, and what."""
    widening = [
        (change, line)
        for change in plan.changes
        if change.kind == PolicyResource.kind and change.before is not None
        for field in change.fields
        if field.field == "policy"
        for line in _find_more(change.resource.name, str(field.before), str(field.after))
    ]
    return replace(plan, widening=widening, may_widen=True) if widening else plan


def _find_more(name: str, before: str, after: str) -> list[str]:
    """Return what the text *after* allows more than the server's text *before*."""
    try:
        old = read_policy(name, before)
    except HclError:
        return ["not compared: the policy on the server cannot be read"]
    return _describe(find_widenings(_acl(old), _acl(read_policy(name, after))))


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
    if origin is None:
        return f"{operations}, such as: {found[0]}"
    rule = f"{operations} on {origin.rule.path} ({origin})"
    first = found[0]
    is_plain = str(first) == f"{first.operation} {origin.rule.path}"
    return rule if is_plain else f"{rule}, such as: {first}"
