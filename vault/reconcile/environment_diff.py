"""Comparison of two environments: missing values, different policies, values that are reused.

Values are compared by HMAC under a random key that exists for one comparison only. Neither a value
nor an HMAC leaves this module.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app_integration.errors import AccessDenied
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.reconcile.hcl.policy_rules import Rule, parse_rules
from vault.reconcile.hcl.tree import HclError
from vault.reconcile.resources import ReadSession, read_data
from vault.reconcile.resources.kv import find_no_value, metadata_path, read_value


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """State of one service in one environment; *values* are HMACs.

    ``ENV`` replaces the environment's name in *policies*. None is one that cannot be read.
    """

    scope: Scope
    declared: frozenset[str]
    present: frozenset[str]
    policies: Mapping[str, frozenset[Rule] | None]
    values: Mapping[str, bytes]
    unread: bool


@dataclass(frozen=True, slots=True)
class Differences:
    """Result of :func:`compare`; each entry is one line of text for people."""

    missing: tuple[str, ...]
    policy: tuple[str, ...]
    same: tuple[str, ...]
    unread: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.policy or self.same)


def read_state(
    reader: ReadSession,
    declaration: Declaration,
    scope: Scope,
    key: bytes,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> EnvironmentState:
    """Return the state of one service in one environment.

    If the reader is not allowed to read values, the result has none.
    """
    mounts = declaration.environment(scope.environment).mounts
    declared = frozenset(declaration.secrets(scope))
    paths = {name: metadata_path(scope.secret(name), mounts.kv) for name in declared}
    present = frozenset(
        name
        for name, path in paths.items()
        if find_no_value(read_data(reader, path) or {}, now()) is None
    )
    # Not the adopted ones: they have no stored value, because the server generates the password.
    stored = sorted(present - declaration.adopted(scope).keys())
    try:
        values = {
            name: hmac.digest(
                key, read_value(reader, scope.secret(name), mounts.kv).encode(), "sha256"
            )
            for name in stored
        }
        unread = False
    except AccessDenied:
        values, unread = {}, True
    policies = read_policies(reader, declaration, scope)
    return EnvironmentState(scope, declared, present, policies, values, unread)


def read_policies(
    reader: ReadSession, declaration: Declaration, scope: Scope
) -> dict[str, frozenset[Rule] | None]:
    """Return the rules of each policy of *scope*, as in :class:`EnvironmentState`."""
    mounts = declaration.environment(scope.environment).mounts
    return {
        neutral(name, scope): _read_policy(reader, name, scope, mounts)
        for name in _policy_names(declaration, scope)
    }


def compare(one: EnvironmentState, other: EnvironmentState) -> Differences:
    """Return the differences between two states of one service, and the values they share."""
    return Differences(
        missing=(*_missing_values(one, other), *_missing_values(other, one)),
        policy=(*_policy_differences(one, other), *_policy_differences(other, one)),
        same=tuple(_shared_values(one, other)),
        unread=tuple(str(side.scope) for side in (one, other) if side.unread),
    )


def _missing_values(one: EnvironmentState, other: EnvironmentState) -> Iterable[str]:
    for name in sorted(one.present - other.present):
        reason = "has no value" if name in other.declared else "is not declared"
        yield f"{other.scope.secret(name)} {reason}; {one.scope.secret(name)} has one"


def _policy_differences(one: EnvironmentState, other: EnvironmentState) -> Iterable[str]:
    for neutral_name, rules in one.policies.items():
        name = f"{one.scope}{neutral_name.removeprefix(neutral(str(one.scope), one.scope))}"
        other_rules = other.policies.get(neutral_name)
        if rules is None:
            yield f"policy {name} does not exist or cannot be read"
        elif neutral_name not in other.policies:
            yield f"only {one.scope} declares a policy like {name}"
        elif other_rules is not None:
            for rule in sorted(rules - other_rules, key=lambda rule: rule.path):
                yield f"only {name}: {rule.path} [{', '.join(sorted(rule.capabilities))}]"


def _shared_values(one: EnvironmentState, other: EnvironmentState) -> Iterable[str]:
    by_value: defaultdict[bytes, list[str]] = defaultdict(list)
    for name, value in other.values.items():
        by_value[value].append(name)
    for name, value in one.values.items():
        for other_name in by_value.get(value, ()):
            other_path = other.scope.secret(other_name)
            yield f"{one.scope.secret(name)} and {other_path} have the same value"


def _policy_names(declaration: Declaration, scope: Scope) -> tuple[str, ...]:
    """Return the policies of the service and, if it logs in by AppRole, of its agent's starter."""
    has_starter = declaration.deployment(scope).login.approle is not None
    return (str(scope), scope.starter) if has_starter else (str(scope),)


def _read_policy(
    reader: ReadSession, name: str, scope: Scope, mounts: Mounts
) -> frozenset[Rule] | None:
    data = read_data(reader, f"sys/policies/acl/{name}")
    if data is None:
        return None
    try:
        rules = parse_rules(data["policy"], name)
    except HclError:
        return None
    return frozenset(
        Rule(
            neutral(_with_default_mount(rule.path, mounts), scope),
            rule.capabilities,
            _neutral_limits(rule.constraints, scope, mounts),
        )
        for rule in rules
    )


def _neutral_limits(limits: Any, scope: Scope, mounts: Mounts) -> Any:
    """Return *limits* of a rule, nested as they are, with each path neutral."""
    match limits:
        case str():
            return neutral(_with_default_mount(limits, mounts), scope)
        case tuple() | frozenset():
            return type(limits)(_neutral_limits(each, scope, mounts) for each in limits)
    return limits


def _with_default_mount(path: str, mounts: Mounts) -> str:
    """Return *path* with the default mount in place of the environment's, which may differ."""
    usual = (*DEFAULT_MOUNTS.engines, DEFAULT_MOUNTS.auth)
    for mount, default in zip((*mounts.engines, mounts.auth), usual, strict=True):
        if path.startswith(f"{mount}/"):
            return default + path.removeprefix(mount)
    return path


def neutral(path: str, scope: Scope) -> str:
    """Return *path* with ``ENV`` in place of the environment's name, where it is the service's."""
    parts = path.split("/")
    pair = [scope.service, str(scope.environment)]
    for index in range(len(parts) - 1):
        if parts[index : index + 2] == pair:
            parts[index + 1] = "ENV"
    prefix = str(scope)
    neutral_prefix = f"{scope.service}-ENV"
    return "/".join(
        neutral_prefix + part.removeprefix(prefix)
        if part == prefix or part.startswith(f"{prefix}-")
        else part
        for part in parts
    )
