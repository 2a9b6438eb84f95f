"""Rules of a policy, independent of its order, layout and comments."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from vault.declare.errors import FileError, InvalidValue, join_names, suggest
from vault.reconcile.hcl import values
from vault.reconcile.hcl.control_group import parse_control_group
from vault.reconcile.hcl.syntax import parse
from vault.reconcile.hcl.tree import Block, Entry, HclError, Node

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
_FILTER: Final = "list_scan_response_keys_filter_path"
_KEY_IN_TEMPLATE: Final = re.compile(r"\{\{[^{}]*\.key\b[^{}]*\}\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for one path of a policy. :data:`DENY` is the only capability if it is one.

    *line* is where it begins, 0 for one that is merged; rules on different lines may be equal.
    """

    path: str
    capabilities: frozenset[str]
    constraints: frozenset[tuple[str, Hashable]] = frozenset()
    line: int = field(default=0, compare=False)


#: All rules of a policy. Two policies with equal rules allow exactly the same.
PolicyRules = frozenset[Rule]


def parse_rules(text: str, file: str = "policy") -> PolicyRules:
    """Parse the text of a policy into its rules.

    Rules for one path that only list capabilities are merged into one, as on the server.
    """
    return _merge(read_rules(text, file))


def read_rules(text: str, file: str = "policy") -> tuple[Rule, ...]:
    """Return each rule of a policy's text with its line, in their order."""
    faults: list[FileError] = []
    rules: list[Rule] = []
    for entry in parse(text, file).entries:
        try:
            rules += _parse_entry(entry)
        except _LineError as error:
            faults.append(FileError(file, error.line, error.text))
    if faults:
        raise HclError(faults)
    return tuple(rules)


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
    if entry.keys[0] == "name":
        if len(entry.keys) > 1:
            raise _LineError(entry.line, 'write a name as: name = "x"')
        _parse_value(entry, "", values.parse_text_or_number)
        return []
    if entry.keys[0] != "path":
        raise _LineError(entry.line, _describe_unknown_key(entry.keys[0], ("path", "name")))
    if len(entry.keys) != _PATH_KEYS or not isinstance(entry.node.value, Block):
        raise _LineError(
            entry.line, 'write a path as: path "secret/data/x" { capabilities = [...] }'
        )
    _check_path(entry)
    return [_parse_rule(entry.keys[1], entry.node.value, entry.line)]


def _check_path(entry: Entry) -> None:
    path = entry.keys[1]
    first, *others = path.split("{{")
    if "}}" in first or any(other.count("}}") != 1 for other in others):
        raise _LineError(
            entry.line, f"path {path!r}: each '{{{{' needs a '}}}}' before the next one"
        )


def _parse_rule(path: str, block: Block, line: int) -> Rule:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for entry in block.entries:
        key = entry.keys[0]
        if key not in _KEYS:
            raise _LineError(entry.line, f"path {path!r}: {_describe_unknown_key(key, _KEYS)}")
        if len(entry.keys) > 1 and key != "comment":
            raise _LineError(
                entry.line, f"path {path!r}: {key} takes no name; remove {entry.keys[1]!r}"
            )
        if key in found:
            raise _LineError(
                entry.line, f"path {path!r}: {key} is set twice, first on line {lines[key]}"
            )
        found[key], lines[key] = _parse_value(entry, f"path {path!r}: ", _KEYS[key]), entry.line
    granted = found.pop("capabilities", frozenset()) | found.pop("policy", frozenset())
    _check_combination(path, found, lines, granted)
    constraints = frozenset((key, value) for key, value in found.items() if value is not None)
    return Rule(path.removeprefix("/"), _apply_deny(granted), constraints, line)


def _parse_value(entry: Entry, where: str, parse_node: Callable[[Node], Hashable]) -> Hashable:
    """Return the value of *entry*. The error begins with *where*."""
    try:
        return parse_node(entry.node)
    except InvalidValue as error:
        hint = f"; did you mean {error.near!r}?" if error.near else ""
        text = f"{where}{entry.keys[0]} {error} (expected {error.expected}{hint})"
        raise _LineError(entry.line, text) from None


def _check_combination(
    path: str, found: dict[str, Any], lines: dict[str, int], granted: frozenset[str]
) -> None:
    if "+*" in path:
        line = min(lines.values(), default=1)
        raise _LineError(
            line, f"path {path!r}: the server rejects '+*'; '+' stands for one segment"
        )
    least, most = found.get("min_wrapping_ttl"), found.get("max_wrapping_ttl")
    if least is not None and most is not None and most < least:
        line = lines["max_wrapping_ttl"]
        raise _LineError(line, f"path {path!r}: max_wrapping_ttl is shorter than min_wrapping_ttl")
    template = found.get(_FILTER)
    if template is not None and DENY not in granted:
        if "list" not in granted:
            raise _LineError(lines[_FILTER], f"path {path!r}: {_FILTER} needs the capability list")
        if not _KEY_IN_TEMPLATE.search(template):
            raise _LineError(lines[_FILTER], f"path {path!r}: {_FILTER} needs {{{{ .key }}}}")


def _describe_unknown_key(key: str, known: Iterable[str]) -> str:
    near = suggest(key, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{key!r} is not a known key (expected {join_names(known)}{hint})"


def _parse_shorthand(node: Node) -> frozenset[str]:
    name = values.parse_text_or_number(node)
    if name and name not in SHORTHANDS:
        raise InvalidValue(f"is {name!r}", join_names(SHORTHANDS), suggest(name, SHORTHANDS))
    return SHORTHANDS.get(name, frozenset())


#: Each key of a path → the function that parses its value. None equals an omitted key.
_KEYS: Final[dict[str, Callable[[Node], Hashable]]] = {
    "comment": lambda _: None,  # of any type, because the server does not read it
    "policy": _parse_shorthand,
    "capabilities": partial(values.parse_names, known=CAPABILITIES),
    "allowed_parameters": values.parse_parameters,
    "denied_parameters": values.parse_parameters,
    "required_parameters": lambda node: frozenset(map(str.lower, values.parse_texts(node))) or None,
    "min_wrapping_ttl": values.parse_duration,
    "max_wrapping_ttl": values.parse_duration,
    "mfa_methods": lambda node: values.parse_texts(node) or None,
    "pagination_limit": values.parse_whole_number,
    "expiration": values.parse_timestamp,
    _FILTER: lambda node: values.parse_text_or_number(node) or None,
    "control_group": parse_control_group,
}
