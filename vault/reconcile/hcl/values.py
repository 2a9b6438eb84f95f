"""Values of a policy's keys, normalised so that equal meanings are equal."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Hashable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from vault.declare.errors import InvalidValue, join_names, suggest
from vault.reconcile.hcl.tree import Block, Node

#: The server counts durations and times in nanoseconds.
_SECOND: Final = 10**9
_INT64: Final = range(-(2**63), 2**63)
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # the micro sign
    "\u03bcs": 10**3,  # the Greek letter
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_DAYS: Final = re.compile(r"([+-]?[0-9]+)d")
_AMOUNT: Final = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_UNITS)})")
_DURATION: Final = re.compile(rf"[+-]?(?:{_AMOUNT.pattern})+")
_BASED: Final = re.compile(r"[+-]?[0-9][0-9a-zA-Z_]*")
_OCTAL: Final = re.compile(r"([+-]?)0_?([0-7]+(?:_[0-7]+)*)")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{1,2})(:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_MAX_LENGTH: Final = 100  # characters of a duration, so that int() costs little
_MAX_OFFSET: Final = (24, 60)  # hours and minutes


def parse_text(node: Node) -> str:
    """Return a string."""
    if not isinstance(node.value, str):
        raise InvalidValue("is not a string", "text in quotes")
    return node.value


def parse_text_or_number(node: Node) -> str:
    """Return a string, or a whole number as it is written."""
    is_whole = isinstance(node.value, int) and not isinstance(node.value, bool)
    return node.text if is_whole else parse_text(node)


def parse_nodes(node: Node) -> tuple[Node, ...]:
    """Return the items of a list; none of an empty block, which the server takes for one."""
    if isinstance(node.value, Block) and not node.value.entries:
        return ()
    if not isinstance(node.value, tuple):
        raise InvalidValue("is not a list", 'a list such as ["read"]')
    return node.value


def parse_texts(node: Node) -> frozenset[str]:
    """Return the items of a list of strings."""
    return frozenset(map(parse_text_or_number, parse_nodes(node)))


def parse_names(node: Node, known: Collection[str]) -> frozenset[str]:
    """Return the items of a list of names, all *known*."""
    found = frozenset(map(parse_text, parse_nodes(node)))
    for unknown in sorted(found.difference(known)):
        raise InvalidValue(
            f"has the unknown value {unknown!r}", join_names(known), suggest(unknown, known)
        )
    return found


def parse_parameters(node: Node) -> Hashable:
    """Return names of parameters with the values that are listed for each."""
    if not isinstance(node.value, Block):
        raise InvalidValue("is not a block", 'a block such as { "ttl" = ["1h"] }')
    found: dict[str, frozenset[Hashable]] = {}
    for entry in node.value.entries:
        value = entry.node.value
        items = (entry.node,) if isinstance(value, Block) else value
        if not isinstance(items, tuple) or len(entry.keys) > 1:
            raise InvalidValue(f"has no list for {entry.keys[0]!r}", "a list of values, [] for any")
        # In lower case, because the server ignores the case of parameter names.
        key = entry.keys[0].lower()
        found[key] = found.get(key, frozenset()) | frozenset(map(_comparable, items))
    return frozenset(found.items())


def _comparable(node: Node) -> Hashable:
    """Return any value in a form to compare.

    Lists keep their order, and ``1`` and ``true`` stay different.
    """
    value = node.value
    if isinstance(value, Block):
        return frozenset((entry.keys, _comparable(entry.node)) for entry in value.entries)
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    if isinstance(value, float) and math.isinf(value):
        raise InvalidValue("has a number that is too large", "a number below 1e308")
    if isinstance(value, int) and value not in _INT64:
        raise InvalidValue("has a number that is too large", "a number below 2^63")
    return type(value).__name__, value


def parse_duration(node: Node) -> int | Fraction | None:
    """Return the seconds of a duration; None for none."""
    nanoseconds = _nanoseconds(node.value)
    if nanoseconds is None or nanoseconds not in _INT64:
        raise InvalidValue("is not a duration", "a duration such as 90s or 2m")
    seconds = Fraction(nanoseconds, _SECOND)
    return (int(seconds) if seconds.denominator == 1 else seconds) or None


def _nanoseconds(value: object) -> int | None:
    """Return the nanoseconds of a number of seconds or of text; None for anything else."""
    if isinstance(value, str):
        return _nanoseconds_of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    is_infinite = isinstance(value, float) and math.isinf(value)
    return None if is_infinite else int(value) * _SECOND


def _nanoseconds_of_text(text: str) -> int | None:
    """Return the nanoseconds of ``90``, ``90s``, ``1h30m``, ``1.5h``, ``1d`` or empty text."""
    if len(text) > _MAX_LENGTH:
        return None
    if not text or _WHOLE.fullmatch(text):
        return int(text or 0) * _SECOND
    if days := _DAYS.fullmatch(text):
        return int(days[1]) * 24 * _UNITS["h"]
    if not _DURATION.fullmatch(text):
        return None
    total = sum(int(Fraction(number) * _UNITS[unit]) for number, unit in _AMOUNT.findall(text))
    return -total if text[0] == "-" else total


def parse_whole_number(node: Node, expected: str = "a number of entries") -> int | None:
    """Return a whole number, also one in quotes and of another base; None for 0."""
    value = node.value
    try:
        number = _whole_number(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number not in _INT64:
        raise InvalidValue("is not a whole number", expected)
    return number or None


def _whole_number(text: str) -> int:
    if not _BASED.fullmatch(text):
        raise ValueError(text)
    octal = _OCTAL.fullmatch(text)
    return int(octal[1] + octal[2], 8) if octal else int(text, 0)


def parse_timestamp(node: Node) -> Hashable:
    """Return nanoseconds since 1970; None for empty text."""
    try:
        return _timestamp(parse_text_or_number(node))
    except ValueError:
        expected = "a timestamp such as 2030-01-31T12:00:00Z"
        raise InvalidValue("is not a timestamp", expected) from None


def _timestamp(text: str) -> int | None:
    """Return the nanoseconds of a timestamp of RFC 3339, or of whole seconds; None if empty.

    Raise ValueError if *text* is neither.
    """
    if not text:
        return None
    if _WHOLE.fullmatch(text):
        if int(text) not in _INT64:
            raise ValueError(text)
        return int(text) * _SECOND
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, hour, rest, fraction, sign, hours, minutes = match.groups()
    moment = datetime.fromisoformat(f"{day}T{hour:0>2}{rest}").replace(tzinfo=UTC)
    offset = int(hours or 0), int(minutes or 0)
    if offset[0] > _MAX_OFFSET[0] or offset[1] > _MAX_OFFSET[1]:
        raise ValueError(text)
    shift = (offset[0] * 60 + offset[1]) * 60 * (-1 if sign == "-" else 1)
    nanoseconds = int((fraction or "").ljust(9, "0")[:9])
    return (int(moment.timestamp()) - shift) * _SECOND + nanoseconds
