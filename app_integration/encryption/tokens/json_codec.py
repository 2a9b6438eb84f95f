"""JSON as the plaintext of a token: the decoder accepts nothing that cannot be encoded.

The encoder writes no spaces and keeps the order of keys. The decoder accepts any encoding of RFC
8259, because encoders in other languages print numbers and escapes differently. It rejects a key
that occurs twice in an object, half a surrogate pair, a number beyond binary64, and integers or
nesting beyond the bounds below.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 128  # levels of objects and arrays
MAX_DIGITS: Final = 4300  # digits of an integer, because Python converts no more by default

_INFINITE: Final = (float("inf"), float("-inf"))


def encode(value: dict[str, Any] | list[Any]) -> bytes:
    """Return *value* in UTF-8.

    Raises:
        ValueError: If *value* would not be decoded to an equal value.
        TypeError: If *value* contains a type that JSON does not have.
        RecursionError: If *value* is nested too deeply.

    """
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    # json.dumps silently turns tuples into arrays and keys of other types into strings, and writes
    # NaN, which decode rejects.
    if decode(encoded) != value:
        raise ValueError
    return encoded


def decode(encoded: bytes) -> dict[str, Any] | list[Any]:
    """Return the object or array in *encoded*.

    Raises:
        ValueError: If *encoded* is not an object or array, or is one that cannot be encoded.
        RecursionError: If it is nested too deeply for the parser.

    """
    text = encoded.decode()
    value = _DECODER.decode(text)
    if not isinstance(value, dict | list):
        raise ValueError  # noqa: TRY004 (value_codec catches ValueError and raises DecryptionFailed)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # raises UnicodeEncodeError for half a pair
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


def _reject_constant(_name: str) -> NoReturn:
    """Reject NaN and the infinities, which :mod:`json` would accept."""
    raise ValueError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_finite,
    parse_int=_integer,
    parse_constant=_reject_constant,
)
