"""Differences between two environments: what one has and the other lacks or has otherwise."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from app_integration.names import Environment, Scope
from console.page.sources.service_policies import ServicePolicies
from console.page.urls import JOBS
from vault.declare import durations
from vault.declare.declaration import Declaration
from vault.declare.schema.logins import SERVICE_METHODS
from vault.reconcile.environment_diff import neutral
from vault.reconcile.hcl.policy_rules import PolicyRules
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import Row, State

#: What is said of what an environment does not have.
ABSENT: Final = "absent"
_NO_VALUE: Final = "no value"
_NO_POLICY: Final = "does not exist or cannot be read"
#: What is said of an environment that lacks something.
_LACKING: Final = frozenset((ABSENT, _NO_VALUE, _NO_POLICY))
_STATES: Final = {
    State.OK: "has a value",
    State.OVERDUE: "has a value",
    State.NO_VALUE: _NO_VALUE,
    State.UNKNOWN: "declared",
}


class Area(StrEnum):
    """What is compared."""

    SERVICE = "service"
    SECRET = "secret"  # noqa: S105 (an area, not a secret)
    KEY = "key"
    CREDENTIAL = "credential"
    PERIOD = "rotation period"
    LOGIN = "login"
    POLICY = "policy rule"


class Verdict(StrEnum):
    """Result for one entry."""

    LEFT = "only-left"
    RIGHT = "only-right"
    DIFFERENT = "different"
    EQUAL = "equal"


_AREAS: Final = {
    Kind.SECRET: Area.SECRET,
    Kind.STATIC_USER: Area.SECRET,
    Kind.USER_PAIR: Area.SECRET,
    Kind.KEY: Area.KEY,
    Kind.INDEX_KEY: Area.KEY,
    Kind.ROOT_USER: Area.CREDENTIAL,
    Kind.SECRET_ID: Area.CREDENTIAL,
}
#: What is said of a secret that the server sets the password of.
_HOW: Final = {Kind.STATIC_USER: ", adopted", Kind.USER_PAIR: ", paired"}


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of one environment."""

    environment: Environment
    rows: Sequence[Row] | None
    policies: ServicePolicies | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is compared, with what each environment has."""

    area: Area
    service: str
    name: str
    left: str
    right: str

    @property
    def verdict(self) -> Verdict:
        """Return the result."""
        if self.left == self.right:
            return Verdict.EQUAL
        if (self.left in _LACKING) is (self.right in _LACKING):
            return Verdict.DIFFERENT
        return Verdict.LEFT if self.right in _LACKING else Verdict.RIGHT


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A value that equals itself only, because comparing ledgers takes as long as their use."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def compare(left: Side, right: Side, declaration: Declaration) -> tuple[Entry, ...]:
    """Return an entry for each thing of both environments, area by area.

    They are kept until a part is read again, so that a page or a filter costs no comparison.
    """
    sides = ((each.environment, _Same(each.rows), _Same(each.policies)) for each in (left, right))
    return _compare_once(*sides, _Same(declaration))


#: Environment, rows and policies.
_Parts = tuple[Environment, _Same, _Same]


@lru_cache(2)
def _compare_once(left: _Parts, right: _Parts, declaration: _Same) -> tuple[Entry, ...]:
    one, other = (Side(each, rows.value, policies.value) for each, rows, policies in (left, right))
    return tuple(_compare(one, other, declaration.value))


def _compare(left: Side, right: Side, declaration: Declaration) -> Iterator[Entry]:
    scopes = [
        {scope.service: scope for scope in declaration.scopes(side.environment)}
        for side in (left, right)
    ]
    yield from _pair(Area.SERVICE, *({(name, name): "runs" for name in each} for each in scopes))
    common = scopes[0].keys() & scopes[1].keys()
    items = [_items(side, declaration, common) for side in (left, right)]
    for area in (Area.SECRET, Area.KEY, Area.CREDENTIAL):
        yield from _pair(area, *(_states(each, area) for each in items))
    yield from _pair(Area.PERIOD, *_periods(items))
    yield from _pair(Area.LOGIN, *(_logins(each, declaration, common) for each in scopes))
    if left.policies is not None and right.policies is not None:
        # They may have been read before a service was declared.
        for service in sorted(common & left.policies.keys() & right.policies.keys()):
            yield from _rules(service, left.policies[service], right.policies[service])


#: Service and name, which is the same in both environments → what is said of it.
_Texts = Mapping[tuple[str, str], str]
_Items = Mapping[tuple[str, str, Area], tuple[Item, State | None]]


def _pair(area: Area, left: _Texts, right: _Texts) -> Iterator[Entry]:
    for key in sorted(left.keys() | right.keys()):
        yield Entry(area, *key, left.get(key, ABSENT), right.get(key, ABSENT))


def _items(side: Side, declaration: Declaration, services: Iterable[str]) -> _Items:
    """Return the items of *services* and of the jobs, by names without the environment's."""
    found: dict[tuple[str, str, Area], tuple[Item, State | None]] = {}
    wanted = {*services, None}
    for item, state in _find_states(side, declaration):
        if item.service in wanted:
            name = item.name
            if item.service is not None and item.kind is Kind.SECRET_ID:
                name = neutral(name, Scope(item.service, side.environment))
            key = (item.service or JOBS, name, _AREAS[item.kind])
            found[key] = (item, state)
    return found


def _find_states(side: Side, declaration: Declaration) -> Iterable[tuple[Item, State | None]]:
    """Return the items with their states, which are None without a ledger."""
    if side.rows is not None:
        return ((row.item, row.state) for row in side.rows)
    return ((item, None) for item in declared_items(declaration, side.environment))


def _states(items: _Items, area: Area) -> _Texts:
    return {
        (service, name): ("declared" if state is None else _STATES[state]) + _HOW.get(item.kind, "")
        for (service, name, of), (item, state) in items.items()
        if of is area
    }


def _periods(items: Sequence[_Items]) -> list[_Texts]:
    """Return the periods of what both have. What one lacks is said already."""
    common = items[0].keys() & items[1].keys()
    return [
        {
            (service, f"{name} ({area})"): _period(each[service, name, area][0])
            for service, name, area in common
        }
        for each in items
    ]


def _period(item: Item) -> str:
    if item.every is None:
        return "with its parts"
    return durations.render(item.every) + ("" if item.is_declared else " by default")


def _logins(
    scopes: Mapping[str, Scope], declaration: Declaration, services: Iterable[str]
) -> _Texts:
    found = {}
    for name in services:
        login = declaration.deployment(scopes[name]).login
        methods = [each for each in SERVICE_METHODS if getattr(login, each) is not None]
        found[name, "auth methods"] = ", ".join(methods)
    return found


def _rules(
    service: str,
    left: Mapping[str, PolicyRules | None],
    right: Mapping[str, PolicyRules | None],
) -> Iterator[Entry]:
    """Yield an entry for each rule, or one for a policy that only one environment has."""
    for name in sorted(left.keys() | right.keys()):
        one, other = left.get(name), right.get(name)
        if one is not None and other is not None:
            yield from _compare_rules(service, name, one, other)
            continue
        texts = [
            ABSENT if name not in each else _NO_POLICY if each[name] is None else "exists"
            for each in (left, right)
        ]
        yield Entry(Area.POLICY, service, name, *texts)


def _compare_rules(
    service: str, name: str, one: PolicyRules, other: PolicyRules
) -> Iterator[Entry]:
    sides = _by_path(one), _by_path(other)
    for path in sorted(sides[0].keys() | sides[1].keys()):
        rules = [each.get(path, frozenset()) for each in sides]
        left, right = map(_describe, rules)
        if left == right and rules[0] != rules[1]:
            right += " that are others"
        yield Entry(Area.POLICY, service, f"{name}: {path}", left, right)


def _by_path(rules: PolicyRules) -> dict[str, PolicyRules]:
    found: dict[str, PolicyRules] = {}
    for rule in rules:
        found[rule.path] = found.get(rule.path, frozenset()) | {rule}
    return found


def _describe(rules: PolicyRules) -> str:
    """Return the capabilities of the rules for one path, and which limits they have."""
    texts = sorted(_describe_rule(rule.capabilities, rule.constraints) for rule in rules)
    return "; ".join(texts) or ABSENT


@lru_cache(1000)
def _describe_rule(
    capabilities: frozenset[str], constraints: frozenset[tuple[str, Hashable]]
) -> str:
    limits = sorted({key for key, _ in constraints})
    text = ", ".join(sorted(capabilities))
    return f"{text}, with limits by {', '.join(limits)}" if limits else text
