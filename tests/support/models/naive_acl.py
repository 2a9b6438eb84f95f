"""Second evaluator of policies, as HashiCorp's documents have the rules, without any index.

https://developer.hashicorp.com/vault/docs/concepts/policies#priority-matching
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from tests.support.models.drawn_policies import DrawnRule

_PLUS: Final = re.compile(r"(^|/)\+")

Key: TypeAlias = tuple[bool, int, bool, int, int, bytes]


def capabilities(policies: list[list[DrawnRule]], path: str) -> tuple[str, ...]:
    """Return the capabilities on *path* of a token with *policies*."""
    rules = [rule for rules in policies for rule in rules]
    # Capabilities are looked up as LIST does: a rule for the folder's name counts before a pattern,
    # and any rule for its name after those for the folder.
    exact = [rule for rule in rules if not _has_wildcard(_path_of(rule))]
    named = [rule for rule in exact if _path_of(rule) == path]
    if path.endswith("/"):
        named = named or [rule for rule in exact if _path_of(rule) == path[:-1]]
    found = named or _closest(rules, path) or _closest(rules, path.removesuffix("/"))
    granted = {each for rule in found for each in rule.capabilities}
    return ("deny",) if "deny" in granted or not granted else tuple(sorted(granted))


def _closest(rules: list[DrawnRule], path: str) -> list[DrawnRule]:
    """Return the rules for the pattern that comes first of those that match."""
    matching = {_path_of(rule) for rule in rules if _matches(_path_of(rule), path)}
    first = max(matching, key=_priority, default=None)
    return [rule for rule in rules if _path_of(rule) == first]


def _path_of(rule: DrawnRule) -> str:
    return rule.path.removeprefix("/")


def _matches(pattern: str, path: str) -> bool:
    segments = [
        "[^/]*" if each == "+" else re.escape(each) for each in _literal(pattern).split("/")
    ]
    rest = ".*" if pattern.endswith("*") else ""
    return re.fullmatch("/".join(segments) + rest, path, re.DOTALL) is not None


def _has_wildcard(pattern: str) -> bool:
    return pattern.endswith("*") or _PLUS.search(pattern) is not None


def _literal(pattern: str) -> str:
    return pattern.removesuffix("*")


def _priority(pattern: str) -> Key:
    """Return what is greater for a pattern with a higher priority.

    The server takes each plus at the begin of a segment for a wildcard where it looks for the
    first one, but counts only those that are a whole segment. It counts bytes.
    """
    literal = _literal(pattern)
    has_plus = _PLUS.search(literal) is not None
    first = literal.encode().find(b"+") if has_plus else len(literal.encode())
    pluses = sum(each == "+" for each in literal.split("/")) if has_plus else 0
    encoded = literal.encode()
    return (
        not _has_wildcard(pattern),
        first,
        not pattern.endswith("*"),
        -pluses,
        len(encoded),
        encoded,
    )
