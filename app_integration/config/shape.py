"""Shape of a document: its keys, and the kinds of its values in their place.

It shows which part of a rejected file is missing or of another type, and no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final

#: Keys as templates have them. Another key is not shown, because a value may have become it.
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}")
_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    type(None): "null",
}
_MAX_DEPTH: Final = 20
#: Values of a document. One with references to itself, or to large parts, would never be exhausted.
_MAX_VALUES: Final = 1_000
_CUT: Final = "…"


def describe_shape(document: object) -> object:
    """Return *document* with each value replaced by its kind, such as ``text``."""
    return _describe(document, count(), 0)


def _describe(value: object, seen: Iterator[int], depth: int) -> object:
    if next(seen) >= _MAX_VALUES or depth > _MAX_DEPTH:
        return _CUT
    if isinstance(value, Mapping):
        shown: dict[str, object] = {}
        for key, inner in value.items():
            shown[_describe_key(key)] = described = _describe(inner, seen, depth + 1)
            if described == _CUT:
                break
        return shown
    if isinstance(value, list):
        return _describe_items(value, seen, depth)
    if isinstance(value, str):
        return "text" if value else "empty text"
    return _KINDS.get(type(value), type(value).__name__)


def _describe_items(items: list[object], seen: Iterator[int], depth: int) -> list[object]:
    shown: list[object] = []
    for item in items:
        shown.append(_describe(item, seen, depth + 1))
        if shown[-1] == _CUT:
            break
    return shown


def _describe_key(key: object) -> str:
    return key if isinstance(key, str) and _KEY.fullmatch(key) else "(another key)"
