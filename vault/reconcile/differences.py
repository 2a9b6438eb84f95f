"""Two environments side by side: what one has and the other lacks, and what should differ.

Values are compared by HMAC under a key that is drawn for one comparison and kept nowhere; neither
a value nor an HMAC leaves this module.
"""

from __future__ import annotations

import hmac
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app_integration.errors import AccessDenied
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.reconcile.hcl_meaning import Rule, meaning
from vault.reconcile.hcl_syntax import HclError
from vault.reconcile.resources import Reader, read_data
from vault.reconcile.resources.secrets import metadata_path, read_value

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Side:
    """One service in one environment, as its server has it.

    Attributes:
        policy: what the service may do, names of service and environment replaced by the same
            words everywhere; None when it has no policy, or none that can be read.
        values: secret → HMAC of its value.
        present: the secrets that have a value.
        unread: whether values couldn't be read; then none are compared.
    """

    scope: Scope
    declared: frozenset[str]
    present: frozenset[str]
    policy: frozenset[Rule] | None
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


def look(reader: Reader, declaration: Declaration, scope: Scope, key: bytes) -> Side:
    """Read one side; *key* must be the same for both.

    A reader that may not read values gives a side without them.
    """
    declared = frozenset(declaration.secrets(scope))
    present = frozenset(name for name in declared if _has_value(reader, scope.secret(name)))
    # An adopted secret has no value of its own; its password is drawn by its server.
    stored = sorted(present - declaration.adopted(scope).keys())
    try:
        values = {name: _fingerprint(reader, scope.secret(name), key) for name in stored}
        unread = False
    except AccessDenied:
        values, unread = {}, True
    return Side(scope, declared, present, _policy(reader, scope), values, unread)


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
    if one.policy is None or other.policy is None:
        if one.policy is None:
            yield f"policy {one.scope} isn't there, or can't be read"
        return
    for rule in sorted(one.policy - other.policy, key=lambda rule: rule.path):
        yield f"only {one.scope}: {rule.path} [{', '.join(sorted(rule.capabilities))}]"


def _same(one: Side, other: Side) -> Iterable[str]:
    by_value: defaultdict[bytes, list[str]] = defaultdict(list)
    for name, value in other.values.items():
        by_value[value].append(name)
    for name, value in one.values.items():
        for twin in by_value.get(value, ()):
            yield f"{one.scope.secret(name)} and {other.scope.secret(twin)} have the same value"


def _has_value(reader: Reader, name: str) -> bool:
    """Whether the latest version is there, neither deleted nor destroyed."""
    data = read_data(reader, metadata_path(name))
    latest = (data or {}).get("versions", {}).get(str((data or {}).get("current_version")), None)
    return latest is not None and not latest["deletion_time"] and not latest["destroyed"]


def _fingerprint(reader: Reader, name: str, key: bytes) -> bytes:
    return hmac.digest(key, read_value(reader, name).encode(), "sha256")


def _policy(reader: Reader, scope: Scope) -> frozenset[Rule] | None:
    data = read_data(reader, f"sys/policies/acl/{scope}")
    if data is None:
        return None
    try:
        rules = meaning(data["policy"], str(scope))
    except HclError:
        return None
    return frozenset(
        Rule(_neutral(rule.path, scope), rule.capabilities, rule.limits) for rule in rules
    )


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
