"""Grant: what the rules for one pattern allow together, over all policies of a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from policies.acl.parameters import Values, make_values, merge_values
from policies.acl.pattern import Pattern
from vault.reconcile.hcl.policy_rules import DENY, Rule

Seconds: TypeAlias = int | Fraction

#: Number of approvals that a request needs, by its operation.
Approvals: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """A rule, and where it is written: the *policy*'s name, its *file*, and the *line* of it."""

    policy: str
    file: str
    rule: Rule

    @property
    def line(self) -> int:
        """Return the line on which the rule begins."""
        return self.rule.line

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What *origins*, the rules for one *pattern*, allow together. Zero and empty limit nothing."""

    pattern: Pattern
    origins: tuple[Origin, ...]
    capabilities: frozenset[str]
    allowed: Mapping[str, Values] = field(default_factory=dict)
    denied: Mapping[str, Values] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    min_wrapping_ttl: Seconds = 0
    max_wrapping_ttl: Seconds = 0
    pagination_limit: int = 0
    approvals: Approvals = field(default_factory=dict)

    @property
    def is_denied(self) -> bool:
        """Return whether one of the rules denies every operation."""
        return DENY in self.capabilities

    @property
    def is_limited(self) -> bool:
        """Return whether more than the operation decides."""
        return any((*self._limits, self.pagination_limit, self.approvals))

    @property
    def _limits(self) -> tuple[object, ...]:
        parameters = self.allowed, self.denied, self.required
        return *parameters, self.min_wrapping_ttl, self.max_wrapping_ttl

    def merge(self, later: Grant) -> Grant:
        """Return what this and *later* allow together: a rule that denies leaves nothing else.

        Rights add up, and so do limits: a rule without a limit does not lift that of another one.
        Only the approvals that the first rule asks for count.
        """
        origins = self.origins + later.origins
        if self.is_denied or later.is_denied:
            return Grant(self.pattern, origins, frozenset((DENY,)))
        return Grant(
            self.pattern,
            origins,
            self.capabilities | later.capabilities,
            merge_values(self.allowed, later.allowed),
            merge_values(self.denied, later.denied),
            self.required | later.required,
            _lowest(self.min_wrapping_ttl, later.min_wrapping_ttl),
            _lowest(self.max_wrapping_ttl, later.max_wrapping_ttl),
            _lowest(max(self.pagination_limit, 0), later.pagination_limit),
            self.approvals,
        )


def make_grant(pattern: Pattern, origin: Origin) -> Grant:
    """Return what the rule of *origin*, which is for *pattern*, allows by itself."""
    rule = origin.rule
    if not rule.constraints or DENY in rule.capabilities:
        return Grant(pattern, (origin,), rule.capabilities)
    found: dict[str, Any] = dict(rule.constraints)
    return Grant(
        pattern,
        (origin,),
        rule.capabilities,
        make_values(found.get("allowed_parameters", ())),
        make_values(found.get("denied_parameters", ())),
        found.get("required_parameters", frozenset()),
        found.get("min_wrapping_ttl", 0),
        found.get("max_wrapping_ttl", 0),
        found.get("pagination_limit", 0),
        _count_approvals(found.get("control_group")),
    )


def _count_approvals(control_group: Any) -> Approvals:
    """Return the most approvals that a factor asks for, by operation."""
    counts: dict[str, int] = {}
    for _, operations, _, approvals in control_group[2] if control_group else ():
        counts |= {each: max(counts.get(each, 0), approvals) for each in operations}
    return counts


def _lowest(one: Any, later: Any) -> Any:
    """Return the lower limit. One below zero limits nothing, but is kept if it comes first."""
    return later if later > 0 and (one == 0 or later < one) else one
