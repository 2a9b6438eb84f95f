"""What a policy grants, apart from how it is written: order, layout and comments don't matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vault.declare import durations
from vault.declare.faults import FileError, InvalidValue, listed, nearest
from vault.reconcile.hcl.syntax import Block, Entry, HclError, Node, parse

DENY: Final = "deny"
CAPABILITIES: Final = frozenset(
    ("create", "read", "update", "patch", "delete", "list", "scan", "sudo", DENY)
)
#: What the old ``policy = "write"`` stands for.
SHORTHANDS: Final = {
    DENY: frozenset((DENY,)),
    "read": frozenset(("read", "list")),
    "write": frozenset(("create", "read", "update", "delete", "list")),
    "sudo": frozenset(("create", "read", "update", "delete", "list", "sudo")),
}
_PATH_KEYS: Final = 2  # path "x"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one path of a policy grants.

    Attributes:
        path: without the leading slash; ``*`` and ``+`` as written.
        capabilities: :data:`DENY` stands alone.
        limits: every other key that has an effect, normalised.

    """

    path: str
    capabilities: frozenset[str]
    limits: frozenset[tuple[str, Hashable]] = frozenset()


#: The rules of a policy. Two policies with equal meanings allow exactly the same.
Meaning = frozenset[Rule]


def parse_rules(text: str, file: str = "policy") -> Meaning:
    """What *text* grants; *file* names it in errors.

    Rules for one path that only list capabilities are one rule with them all, as on the server.

    Raises:
        HclError: with every fault, each with its line.

    """
    faults: list[FileError] = []
    rules: list[Rule] = []
    for entry in parse(text, file).entries:
        try:
            rules += _rules(entry)
        except _At as wrong:
            faults.append(FileError(file, wrong.line, wrong.text))
    if faults:
        raise HclError(faults)
    return _merged(rules)


def policies_equal(one: str, other: str) -> bool:
    """Whether two texts grant the same; a text that can't be read equals only itself."""
    if one.strip() == other.strip():
        return True
    try:
        return parse_rules(one) == parse_rules(other)
    except HclError:
        return False


class _At(Exception):
    """Something wrong on *line*."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def _merged(rules: Iterable[Rule]) -> Meaning:
    plain: defaultdict[str, set[str]] = defaultdict(set)
    limited: set[Rule] = set()
    for rule in rules:
        if rule.limits:
            limited.add(rule)
        else:
            plain[rule.path] |= rule.capabilities
    return frozenset(limited | {Rule(path, _denied(granted)) for path, granted in plain.items()})


def _denied(capabilities: Iterable[str]) -> frozenset[str]:
    granted = frozenset(capabilities)
    return frozenset((DENY,)) if DENY in granted else granted


def _rules(entry: Entry) -> list[Rule]:
    if entry.keys[0] == "name" and len(entry.keys) == 1:
        return []
    if entry.keys[0] != "path":
        raise _At(entry.line, _unknown(entry.keys[0], ("path", "name")))
    if len(entry.keys) != _PATH_KEYS or not isinstance(entry.node.value, Block):
        raise _At(entry.line, 'a path reads: path "secret/data/x" { capabilities = [...] }')
    return [_rule(entry.keys[1], entry.node.value)]


def _rule(path: str, block: Block) -> Rule:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for entry in block.entries:
        key = entry.keys[0]
        if key not in _KEYS or len(entry.keys) > 1:
            raise _At(entry.line, f"path {path!r}: {_unknown(key, _KEYS)}")
        if key in values:
            raise _At(
                entry.line, f"path {path!r}: {key} is given twice, first on line {lines[key]}"
            )
        try:
            values[key], lines[key] = _KEYS[key](entry.node), entry.line
        except InvalidValue as wrong:
            hint = f"; did you mean {wrong.near!r}?" if wrong.near else ""
            text = f"path {path!r}: {key} {wrong} (expected {wrong.expected}{hint})"
            raise _At(entry.line, text) from None
    _check_together(path, values, lines)
    granted = values.pop("capabilities", frozenset()) | values.pop("policy", frozenset())
    values.pop("comment", None)
    limits = frozenset((key, value) for key, value in values.items() if value is not None)
    return Rule(path.removeprefix("/"), _denied(granted), limits)


def _check_together(path: str, values: dict[str, Any], lines: dict[str, int]) -> None:
    if "+*" in path:
        line = min(lines.values(), default=1)
        raise _At(line, f"path {path!r}: '+*' is refused by the server; '+' stands for one segment")
    least, most = values.get("min_wrapping_ttl"), values.get("max_wrapping_ttl")
    if isinstance(least, int) and isinstance(most, int) and most < least:
        line = lines["max_wrapping_ttl"]
        raise _At(line, f"path {path!r}: max_wrapping_ttl is shorter than min_wrapping_ttl")


def _unknown(key: str, known: Iterable[str]) -> str:
    near = nearest(key, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{key!r} is no key here (expected {listed(known)}{hint})"


def _text(node: Node) -> str:
    if not isinstance(node.value, str):
        raise InvalidValue("isn't text", "text in quotes")
    return node.value


def _texts(node: Node) -> frozenset[str]:
    if not isinstance(node.value, tuple):
        raise InvalidValue("isn't a list", 'a list such as ["read"]')
    return frozenset(_text(item) for item in node.value)


def _capabilities(node: Node) -> frozenset[str]:
    found = _texts(node)
    for wrong in sorted(found - CAPABILITIES):
        raise InvalidValue(f"holds {wrong!r}", listed(CAPABILITIES), nearest(wrong, CAPABILITIES))
    return found


def _shorthand(node: Node) -> frozenset[str]:
    name = _text(node)
    if name not in SHORTHANDS:
        raise InvalidValue(f"is {name!r}", listed(SHORTHANDS), nearest(name, SHORTHANDS))
    return SHORTHANDS[name]


def _parameters(node: Node) -> Hashable:
    if not isinstance(node.value, Block):
        raise InvalidValue("isn't a block", 'a block such as { "ttl" = ["1h"] }')
    found: dict[str, Hashable] = {}
    for entry in node.value.entries:
        if not isinstance(entry.node.value, tuple):
            raise InvalidValue(f"has no list for {entry.keys[0]!r}", "a list of values, [] for any")
        # The server compares parameter names in lower case.
        found[entry.keys[0].lower()] = frozenset(map(_plain, entry.node.value))
    return frozenset(found.items())


def _plain(node: Node) -> Hashable:
    """Any value, comparable: lists keep their order, ``1`` and ``true`` stay different."""
    if isinstance(node.value, Block):
        return frozenset((entry.keys, _plain(entry.node)) for entry in node.value.entries)
    if isinstance(node.value, tuple):
        return tuple(map(_plain, node.value))
    return type(node.value).__name__, node.value


def _lower_texts(node: Node) -> Hashable:
    return frozenset(name.lower() for name in _texts(node)) or None


def _duration(node: Node) -> int | None:
    if isinstance(node.value, int | str) and not isinstance(node.value, bool):
        try:
            return durations.normalise(node.value) or None
        except ValueError:
            pass
    raise InvalidValue("isn't a duration", "a duration such as 90s or 2m")


def _limit(node: Node) -> int | None:
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        raise InvalidValue("isn't a whole number", "a number of entries")
    return node.value or None


def _moment(node: Node) -> Hashable:
    value = node.value
    if isinstance(value, str) and not value.isdecimal():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidValue("isn't a moment", "a moment such as 2030-01-31T12:00:00Z") from None
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if isinstance(value, int | str) and not isinstance(value, bool):
        return float(value)
    raise InvalidValue("isn't a moment", "a moment such as 2030-01-31T12:00:00Z")


#: Every key of a path → what its value means. None is the same as not given.
_KEYS: Final[dict[str, Callable[[Node], Hashable]]] = {
    "comment": _text,
    "policy": _shorthand,
    "capabilities": _capabilities,
    "allowed_parameters": _parameters,
    "denied_parameters": _parameters,
    "required_parameters": _lower_texts,
    "min_wrapping_ttl": _duration,
    "max_wrapping_ttl": _duration,
    "mfa_methods": lambda node: _texts(node) or None,
    "pagination_limit": _limit,
    "expiration": _moment,
    "list_scan_response_keys_filter_path": lambda node: _text(node) or None,
    "control_group": _plain,
}
