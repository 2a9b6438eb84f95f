"""Shape of a document: its keys, and the kinds of its values in their place.

It shows which part of a rejected file is missing or of another type, and no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: Keys that come from a template. Another key is not shown, because a value may have become it.
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    type(None): "null",
}


def describe_shape(document: object) -> object:
    """Return *document* with each value replaced by its kind, such as ``text``.

    Args:
        document: A parsed YAML, JSON or TOML file.

    """
    if isinstance(document, Mapping):
        return {_describe_key(key): describe_shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [describe_shape(value) for value in document]
    if isinstance(document, str):
        return "text" if document else "empty text"
    return _KINDS.get(type(document), type(document).__name__)


def _describe_key(key: object) -> str:
    return key if isinstance(key, str) and _KEY.fullmatch(key) else "(another key)"
