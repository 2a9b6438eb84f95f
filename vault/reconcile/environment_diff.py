"""Two environments side by side: what one has and the other lacks, and what should differ.

Values are compared by HMAC under a key that is drawn for one comparison and kept nowhere; neither
a value nor an HMAC leaves this module.
"""

from __future__ import annotations

import hmac
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app_integration.errors import AccessDenied
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.reconcile.hcl.policy_rules import Rule, parse_rules
from vault.reconcile.hcl.syntax import HclError
from vault.reconcile.resources import Reader, read_data
from vault.reconcile.resources.secrets import metadata_path, read_value

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Side:
    """One service in one environment, as its server has it.

    Attributes:
        policies: what the service may do, and who starts its agent; names of service and
            environment are replaced by the same words everywhere. None for a policy that isn't
            there, or can't be read.
        values: secret → HMAC of its value.
        present: the secrets that have a value.
        unread: whether values couldn't be read; then none are compared.

    """

    scope: Scope
    declared: frozenset[str]
    present: frozenset[str]
    policies: Mapping[str, frozenset[Rule] | None]
    values: Mapping[str, bytes]
    unread: bool


@dataclass(frozen=True, slots=True)
class Differences:
    """What :func:`compare` found; each entry is one line for people.

    Attributes:
        missing: secrets that one side has a value for and the other lacks.
        policy: rules that only one side's policy has.
        same: secrets with the same value on both sides.
        unread: the sides whose values couldn't be compared.

    """

    missing: tuple[str, ...]
    policy: tuple[str, ...]
    same: tuple[str, ...]
    unread: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.policy or self.same)


def new_key() -> bytes:
    """A key for one comparison."""
    return secrets.token_bytes(_KEY_BYTES)


def read_state(
    reader: Reader,
    declaration: Declaration,
    scope: Scope,
    key: bytes,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Side:
    """Read one side; *key* must be the same for both, *now* tells the time with its zone.

    A reader that may not read values gives a side without them.
    """
    declared = frozenset(declaration.secrets(scope))
    present = frozenset(name for name in declared if _has_value(reader, scope.secret(name), now()))
    # An adopted secret has no value of its own; its password is drawn by its server.
    stored = sorted(present - declaration.adopted(scope).keys())
    try:
        values = {name: _fingerprint(reader, scope.secret(name), key) for name in stored}
        unread = False
    except AccessDenied:
        values, unread = {}, True
    policies = {
        _neutral(name, scope): _policy(reader, name, scope)
        for name in _policy_names(declaration, scope)
    }
    return Side(scope, declared, present, policies, values, unread)


def compare(one: Side, other: Side) -> Differences:
    """What differs between two sides of one service, and what should differ and doesn't."""
    return Differences(
        missing=(*_missing(one, other), *_missing(other, one)),
        policy=(*_only(one, other), *_only(other, one)),
        same=tuple(_same(one, other)),
        unread=tuple(str(side.scope) for side in (one, other) if side.unread),
    )


def _missing(one: Side, other: Side) -> Iterable[str]:
    for name in sorted(one.present - other.present):
        why = "has no value" if name in other.declared else "isn't declared"
        yield f"{other.scope.secret(name)} {why}; {one.scope.secret(name)} has one"


def _only(one: Side, other: Side) -> Iterable[str]:
    for neutral, rules in one.policies.items():
        name = f"{one.scope}{neutral.removeprefix(_neutral(str(one.scope), one.scope))}"
        theirs = other.policies.get(neutral)
        if rules is None:
            yield f"policy {name} isn't there, or can't be read"
        elif neutral not in other.policies:
            yield f"only {one.scope} declares a policy like {name}"
        elif theirs is not None:
            for rule in sorted(rules - theirs, key=lambda rule: rule.path):
                yield f"only {name}: {rule.path} [{', '.join(sorted(rule.capabilities))}]"


def _same(one: Side, other: Side) -> Iterable[str]:
    by_value: defaultdict[bytes, list[str]] = defaultdict(list)
    for name, value in other.values.items():
        by_value[value].append(name)
    for name, value in one.values.items():
        for twin in by_value.get(value, ()):
            yield f"{one.scope.secret(name)} and {other.scope.secret(twin)} have the same value"


def _has_value(reader: Reader, name: str, now: datetime) -> bool:
    """Whether the latest version is there at *now*, neither deleted nor destroyed.

    A version that is to be deleted later carries the time of that from the beginning.
    """
    data = read_data(reader, metadata_path(name))
    latest = (data or {}).get("versions", {}).get(str((data or {}).get("current_version")), None)
    if latest is None or latest["destroyed"]:
        return False
    deleted = latest["deletion_time"]
    return not deleted or _instant(deleted) > now


def _instant(text: str) -> datetime:
    """The time in *text*, which is UTC, to the second."""
    return datetime.fromisoformat(f"{text[:19]}+00:00")


def _policy_names(declaration: Declaration, scope: Scope) -> tuple[str, ...]:
    """The policy of the service, and of who starts its agent where there is such a one."""
    starts = declaration.deployment(scope).login.approle is not None
    return (str(scope), scope.starter) if starts else (str(scope),)


def _fingerprint(reader: Reader, name: str, key: bytes) -> bytes:
    return hmac.digest(key, read_value(reader, name).encode(), "sha256")


def _policy(reader: Reader, name: str, scope: Scope) -> frozenset[Rule] | None:
    data = read_data(reader, f"sys/policies/acl/{name}")
    if data is None:
        return None
    try:
        rules = parse_rules(data["policy"], name)
    except HclError:
        return None
    return frozenset(
        Rule(_neutral(rule.path, scope), rule.capabilities, _neutral_limits(rule.limits, scope))
        for rule in rules
    )


def _neutral_limits(limits: Any, scope: Scope) -> Any:
    """*limits* of a rule, nested as they are, with the paths in them neutral."""
    match limits:
        case str():
            return _neutral(limits, scope)
        case tuple() | frozenset():
            return type(limits)(_neutral_limits(each, scope) for each in limits)
    return limits


def _neutral(path: str, scope: Scope) -> str:
    """*path* with the same words for the environment everywhere."""
    parts = path.split("/")
    pair = [scope.service, str(scope.environment)]
    for index in range(len(parts) - 1):
        if parts[index : index + 2] == pair:
            parts[index + 1] = "ENV"
    prefix = str(scope)
    named = f"{scope.service}-ENV"
    return "/".join(
        named + part.removeprefix(prefix)
        if part == prefix or part.startswith(f"{prefix}-")
        else part
        for part in parts
    )
