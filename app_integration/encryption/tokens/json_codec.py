"""JSON as the plaintext of a token: what can't be written isn't read.

A writer leaves no spaces and keeps the order of keys. A reader takes any spelling of RFC 8259, as
writers in other languages print numbers and escapes otherwise; but no key twice in an object, no
half of a surrogate pair, no number beyond binary64, no integer and no nesting without end.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 128  # levels of objects and arrays
MAX_DIGITS: Final = 4300  # of an integer: what Python converts in either direction

_INFINITE: Final = (float("inf"), float("-inf"))


def encode(value: dict[str, Any] | list[Any]) -> bytes:
    """*value* in UTF-8.

    Raises:
        ValueError, TypeError, RecursionError: it wouldn't come back equal.

    """
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    # json.dumps turns tuples into arrays and other keys into strings without a word, and writes
    # NaN, which decode rejects.
    if decode(encoded) != value:
        raise ValueError
    return encoded


def decode(encoded: bytes) -> dict[str, Any] | list[Any]:
    """The object or array in *encoded*.

    Raises:
        ValueError, RecursionError: there is none, or one that can't be written.

    """
    text = encoded.decode()
    value = _DECODER.decode(text)
    if not isinstance(value, dict | list):
        raise ValueError  # noqa: TRY004 (whoever decodes turns it into the one error)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # raises for half a pair
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [each for each in level if isinstance(each, dict | list)]
        level = [
            inner
            for each in containers
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    if any(isinstance(each, dict | list) for each in level):
        raise ValueError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in _INFINITE:
        raise ValueError
    return number


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError
    return int(text)


def _refuse(_name: str) -> NoReturn:
    """NaN and the infinities, which :mod:`json` would read by name."""
    raise ValueError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_int=_integer, parse_constant=_refuse
)
