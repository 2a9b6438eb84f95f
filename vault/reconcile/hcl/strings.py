"""Strings between quotes and heredocs of HCL and of its JSON form, as the servers read them."""

from __future__ import annotations

import json
import re
from typing import Final

from app_integration.errors import ConfigurationError

_ESCAPE: Final = (
    r"\\(?:(?P<octal>[0-3][0-7]{2})|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r'|U(?P<U>[0-9a-fA-F]{8})|(?P<one>[abfnrtv\\"]))'
)
_PIECE: Final = re.compile(
    rf'(?P<plain>(?:[^"\\\n$]|\$(?!\{{))+)|(?P<escape>{_ESCAPE})|(?P<opening>\$\{{)|(?P<end>")'
)
_JSON_PIECE: Final = re.compile(rf'(?P<plain>[^"\\\n\0]+)|(?P<escape>{_ESCAPE})|(?P<end>")')
#: A part of ``${…}``, in which escapes must be valid but stay as they are.
_INNER_PIECE: Final = re.compile(rf"[^\\{{}}\ufffd]+|{_ESCAPE}|(?P<brace>[{{}}])")
_SINGLE_ESCAPES: Final = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_SURROGATES: Final = range(0xD800, 0xE000)

NOT_CLOSED: Final = "the string is not closed by '\"' on its line"
INVALID_ESCAPE: Final = "the string has an invalid escape"
#: An anchor after ``<<-`` ends the text only if it is indented, or if ``\r`` follows it.
HEREDOC: Final = re.compile(
    r"<<(?P<dash>-)?(?P<anchor>\w+)\n(?:[^\n]*\n)*?"
    r"(?(dash)(?:[ \t\v\f\r]+(?P=anchor)\r*|(?P=anchor)\r+)|[ \t\v\f\r]*(?P=anchor)\r*)\n"
)


def read_string(text: str, start: int, *, is_json: bool) -> tuple[str, int]:
    """Return the string of *text* whose quote is at *start*, and the position behind it.

    Raise ValueError, which says why, if it is invalid.
    """
    parts: list[bytes] = []
    pattern, position = _JSON_PIECE if is_json else _PIECE, start + 1
    while (match := pattern.match(text, position)) is not None:
        position = match.end()
        if match["end"]:
            return _decode(b"".join(parts)), position
        if match["escape"]:
            parts.append(_unescape(match, is_json=is_json))
        elif match["plain"]:
            parts.append(match[0].encode("utf-8", "surrogatepass"))
        else:
            position = _end_of_interpolation(text, position)
            parts.append(text[match.start() : position].encode("utf-8", "surrogatepass"))
    raise _fault(text, position)


def read_heredoc(raw: str) -> str:
    """Return the text of a heredoc.

    After ``<<-`` the lines lose the end line's indentation, if all of them have it.
    """
    first = raw.index("\n")
    body = raw[first + 1 : len(raw) - first + 1]
    if not raw.startswith("<<-"):
        return body
    lines = raw[first + 1 : len(raw) - first + 2].split("\n")
    indent = lines[-1]
    if all(line.startswith(indent) for line in lines):
        return "".join(f"{line.removeprefix(indent)}\n" for line in lines[:-1])
    return body.rstrip(" \t")


def _fault(text: str, position: int) -> ValueError:
    """Return the error of the character at *position*, which no string has."""
    return ValueError(INVALID_ESCAPE if text[position : position + 1] == "\\" else NOT_CLOSED)


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the string is not UTF-8") from None


def _unescape(match: re.Match[str], *, is_json: bool) -> bytes:
    """Return the bytes of an escape. Those by two hexadecimal or three octal digits are one."""
    if match["one"]:
        return _SINGLE_ESCAPES[match["one"]].encode()
    if match["octal"] or match["x"]:
        return bytes((int(match["octal"], 8) if match["octal"] else int(match["x"], 16),))
    code = int(match["u"] or match["U"], 16)
    if code in _SURROGATES and not is_json:
        return "\ufffd".encode()
    try:
        return chr(code).encode()
    except (ValueError, OverflowError):  # a surrogate, or beyond Unicode
        raise ValueError(INVALID_ESCAPE) from None


def _end_of_interpolation(text: str, position: int) -> int:
    """Return the position behind the ``}`` of an interpolation whose content is at *position*."""
    depth = 1
    while depth:
        match = _INNER_PIECE.match(text, position)
        if match is None:
            raise _fault(text, position)
        position = match.end()
        depth += {"{": 1, "}": -1}.get(match["brace"] or "", 0)
    return position


def quote(value: object) -> str:
    """Return *value* as HCL: a number or a boolean, and anything else as a quoted string.

    A ``$`` becomes its escape sequence, so that ``${`` does not start an interpolation.
    """
    if isinstance(value, int):  # a boolean is an int too
        return str(value).lower()
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{text!r} cannot be written into HCL, because it is not Unicode; rename it"
        ) from None
    return json.dumps(text, ensure_ascii=False).replace("$", "\\u0024")
