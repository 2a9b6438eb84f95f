"""Rules of a policy, independent of its order, layout and comments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vault.declare import durations
from vault.declare.errors import FileError, InvalidValue, join_names, suggest
from vault.reconcile.hcl.syntax import Block, Entry, HclError, Node, parse

DENY: Final = "deny"
CAPABILITIES: Final = frozenset(
    ("create", "read", "update", "patch", "delete", "list", "scan", "sudo", DENY)
)
#: The capabilities that the deprecated ``policy = "write"`` and its like stand for.
SHORTHANDS: Final = {
    DENY: frozenset((DENY,)),
    "read": frozenset(("read", "list")),
    "write": frozenset(("create", "read", "update", "delete", "list")),
    "sudo": frozenset(("create", "read", "update", "delete", "list", "sudo")),
}
_PATH_KEYS: Final = 2  # path "x"
_NOT_A_TIMESTAMP: Final = ("is not a timestamp", "a timestamp such as 2030-01-31T12:00:00Z")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for one path of a policy.

    Attributes:
        path: Without the leading slash; ``*`` and ``+`` as written.
        capabilities: If :data:`DENY` is among them, it is the only one.
        constraints: Every other key that has an effect, with its normalised value.

    """

    path: str
    capabilities: frozenset[str]
    constraints: frozenset[tuple[str, Hashable]] = frozenset()


#: All rules of a policy. Two policies with equal rules allow exactly the same.
PolicyRules = frozenset[Rule]


def parse_rules(text: str, file: str = "policy") -> PolicyRules:
    """Parse the text of a policy into its rules.

    Rules for one path that only list capabilities are merged into one, as on the server.

    Args:
        text: HCL, or its JSON form.
        file: The file's name in error messages.

    Raises:
        HclError: If the policy is invalid. The message has the first syntax error, or else the
            first error of each path, with its line.

    """
    faults: list[FileError] = []
    rules: list[Rule] = []
    for entry in parse(text, file).entries:
        try:
            rules += _parse_entry(entry)
        except _LineError as error:
            faults.append(FileError(file, error.line, error.text))
    if faults:
        raise HclError(faults)
    return _merge(rules)


def policies_equal(one: str, other: str) -> bool:
    """Return whether two texts grant the same rules.

    A text that cannot be parsed equals only itself.
    """
    if one.strip() == other.strip():
        return True
    try:
        return parse_rules(one) == parse_rules(other)
    except HclError:
        return False


class _LineError(Exception):
    """A fault on *line*."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def _merge(rules: Iterable[Rule]) -> PolicyRules:
    unlimited: defaultdict[str, set[str]] = defaultdict(set)
    limited: set[Rule] = set()
    for rule in rules:
        if rule.constraints:
            limited.add(rule)
        else:
            unlimited[rule.path] |= rule.capabilities
    return frozenset(
        limited | {Rule(path, _apply_deny(granted)) for path, granted in unlimited.items()}
    )


def _apply_deny(capabilities: Iterable[str]) -> frozenset[str]:
    granted = frozenset(capabilities)
    return frozenset((DENY,)) if DENY in granted else granted


def _parse_entry(entry: Entry) -> list[Rule]:
    if entry.keys[0] == "name" and len(entry.keys) == 1:
        return []
    if entry.keys[0] != "path":
        raise _LineError(entry.line, _describe_unknown_key(entry.keys[0], ("path", "name")))
    if len(entry.keys) != _PATH_KEYS or not isinstance(entry.node.value, Block):
        raise _LineError(
            entry.line, 'write a path as: path "secret/data/x" { capabilities = [...] }'
        )
    return [_parse_rule(entry.keys[1], entry.node.value)]


def _parse_rule(path: str, block: Block) -> Rule:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for entry in block.entries:
        key = entry.keys[0]
        if key not in _KEYS or len(entry.keys) > 1:
            raise _LineError(entry.line, f"path {path!r}: {_describe_unknown_key(key, _KEYS)}")
        if key in values:
            raise _LineError(
                entry.line, f"path {path!r}: {key} is set twice, first on line {lines[key]}"
            )
        try:
            values[key], lines[key] = _KEYS[key](entry.node), entry.line
        except InvalidValue as error:
            hint = f"; did you mean {error.near!r}?" if error.near else ""
            text = f"path {path!r}: {key} {error} (expected {error.expected}{hint})"
            raise _LineError(entry.line, text) from None
    _check_combination(path, values, lines)
    granted = values.pop("capabilities", frozenset()) | values.pop("policy", frozenset())
    values.pop("comment", None)
    constraints = frozenset((key, value) for key, value in values.items() if value is not None)
    return Rule(path.removeprefix("/"), _apply_deny(granted), constraints)


def _check_combination(path: str, values: dict[str, Any], lines: dict[str, int]) -> None:
    if "+*" in path:
        line = min(lines.values(), default=1)
        raise _LineError(
            line, f"path {path!r}: the server rejects '+*'; '+' stands for one segment"
        )
    least, most = values.get("min_wrapping_ttl"), values.get("max_wrapping_ttl")
    if isinstance(least, int) and isinstance(most, int) and most < least:
        line = lines["max_wrapping_ttl"]
        raise _LineError(line, f"path {path!r}: max_wrapping_ttl is shorter than min_wrapping_ttl")


def _describe_unknown_key(key: str, known: Iterable[str]) -> str:
    near = suggest(key, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{key!r} is not a known key (expected {join_names(known)}{hint})"


def _parse_text(node: Node) -> str:
    if not isinstance(node.value, str):
        raise InvalidValue("is not a string", "text in quotes")
    return node.value


def _parse_texts(node: Node) -> frozenset[str]:
    if not isinstance(node.value, tuple):
        raise InvalidValue("is not a list", 'a list such as ["read"]')
    return frozenset(_parse_text(item) for item in node.value)


def _parse_capabilities(node: Node) -> frozenset[str]:
    found = _parse_texts(node)
    for unknown in sorted(found - CAPABILITIES):
        raise InvalidValue(
            f"has the unknown value {unknown!r}",
            join_names(CAPABILITIES),
            suggest(unknown, CAPABILITIES),
        )
    return found


def _parse_shorthand(node: Node) -> frozenset[str]:
    name = _parse_text(node)
    if name not in SHORTHANDS:
        raise InvalidValue(f"is {name!r}", join_names(SHORTHANDS), suggest(name, SHORTHANDS))
    return SHORTHANDS[name]


def _parse_parameters(node: Node) -> Hashable:
    if not isinstance(node.value, Block):
        raise InvalidValue("is not a block", 'a block such as { "ttl" = ["1h"] }')
    found: dict[str, Hashable] = {}
    for entry in node.value.entries:
        if not isinstance(entry.node.value, tuple):
            raise InvalidValue(f"has no list for {entry.keys[0]!r}", "a list of values, [] for any")
        # In lower case, because the server ignores the case of parameter names.
        found[entry.keys[0].lower()] = frozenset(map(_comparable, entry.node.value))
    return frozenset(found.items())


def _comparable(node: Node) -> Hashable:
    """Return any value in a form to compare.

    Lists keep their order, and ``1`` and ``true`` stay different.
    """
    if isinstance(node.value, Block):
        return frozenset((entry.keys, _comparable(entry.node)) for entry in node.value.entries)
    if isinstance(node.value, tuple):
        return tuple(map(_comparable, node.value))
    return type(node.value).__name__, node.value


def _parse_lower_texts(node: Node) -> Hashable:
    return frozenset(name.lower() for name in _parse_texts(node)) or None


def _parse_duration(node: Node) -> int | None:
    if isinstance(node.value, int | str) and not isinstance(node.value, bool):
        try:
            return durations.normalise(node.value) or None
        except ValueError:
            pass
    raise InvalidValue("is not a duration", "a duration such as 90s or 2m")


def _parse_limit(node: Node) -> int | None:
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        raise InvalidValue("is not a whole number", "a number of entries")
    return node.value or None


def _parse_timestamp(node: Node) -> Hashable:
    value = node.value
    if isinstance(value, str) and not value.isdecimal():
        try:
            timestamp = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidValue(*_NOT_A_TIMESTAMP) from None
        return timestamp.replace(tzinfo=timestamp.tzinfo or UTC).timestamp()
    if isinstance(value, int | str) and not isinstance(value, bool):
        return float(value)
    raise InvalidValue(*_NOT_A_TIMESTAMP)


#: Each key of a path → the function that parses its value. None equals an omitted key.
_KEYS: Final[dict[str, Callable[[Node], Hashable]]] = {
    "comment": _parse_text,
    "policy": _parse_shorthand,
    "capabilities": _parse_capabilities,
    "allowed_parameters": _parse_parameters,
    "denied_parameters": _parse_parameters,
    "required_parameters": _parse_lower_texts,
    "min_wrapping_ttl": _parse_duration,
    "max_wrapping_ttl": _parse_duration,
    "mfa_methods": lambda node: _parse_texts(node) or None,
    "pagination_limit": _parse_limit,
    "expiration": _parse_timestamp,
    "list_scan_response_keys_filter_path": lambda node: _parse_text(node) or None,
    "control_group": _comparable,
}
