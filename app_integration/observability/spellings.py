"""The forms in which a secret value may turn up in a text: its parts, each escaped or encoded."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

#: Shorter values, and parts of values, would blank out ordinary words.
MIN_LENGTH: Final = 8  # characters
#: As long is a line of a value that is neither JSON nor PEM before it counts by itself.
MIN_LINE: Final = 16  # characters

_PEM_BORDER: Final = re.compile(r"-----[A-Z0-9 ]+-----")
#: What clients leave as it is in a URL: all but letters, digits and ``-._~`` is up to them.
_SAFE: Final = ("", "/", "!$&'()*+,;=:@/", "!$'()*,;:@/?", "!#$%&'()*+,/:;=?@[]~")
#: Characters that a JSON writer for pages or PHP escapes, though JSON doesn't ask for it.
_IN_PAGES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"}
_WIDTHS: Final = (64, 76)  # characters of a line of wrapped base64: PEM, MIME


def parts(value: str) -> Iterator[str]:
    """*value*, and what of it may be shown alone.

    That is its stripped form and the password in a URL; of JSON its texts, of PEM the lines of its
    body, else its longer lines. May repeat some.
    """
    yield value
    yield value.strip()
    if (password := _password_in(value)) is not None:
        yield password
    document = _json(value)
    if document is not None:
        for leaf in _leaves(document):
            yield from parts(leaf)
    elif "\n" in value or "\r" in value:
        yield from _lines(value)


def encodings(value: str) -> Iterator[str]:
    """*value* itself, escaped and encoded; may repeat some."""
    yield value
    yield repr(value)[1:-1]
    yield from _in_json(value)
    raw = value.encode(errors="surrogatepass")
    for safe in _SAFE:
        yield quote(raw, safe=safe)
    yield quote_plus(raw)
    escaped = html.escape(value)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield raw.hex()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        yield from _inside(raw, encode)


def wrapped(value: str) -> Iterator[str]:
    """*value* in base64 in lines, whole and line by line; nothing when one line is enough."""
    encoded = base64.b64encode(value.encode(errors="surrogatepass")).decode()
    for width in _WIDTHS:
        lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
        if len(lines) > 1:
            yield from ("\n".join(lines), "\r\n".join(lines))
            yield from lines


def _lines(value: str) -> Iterator[str]:
    lines = [line.strip() for line in value.splitlines()]
    bordered = any(map(_PEM_BORDER.fullmatch, lines))
    for line in lines:
        if len(line) >= (MIN_LENGTH if bordered else MIN_LINE) and not _PEM_BORDER.fullmatch(line):
            yield line


def _json(value: str) -> Any:
    """The object or list that *value* is in JSON; None for anything else."""
    if not value.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _leaves(document: Any) -> Iterator[str]:
    """The texts in *document*; names of fields aren't secret."""
    waiting = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _password_in(value: str) -> str | None:
    """The password, decoded, when *value* is a URL that holds one."""
    if "://" not in value or "@" not in value:
        return None
    try:
        password = urlsplit(value).password
    except ValueError:
        return None
    return None if password is None else unquote(password)


def _in_json(value: str) -> Iterator[str]:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield text
        yield text.replace("/", "\\/")
        for character, escape in _IN_PAGES.items():
            text = text.replace(character, escape)
        yield text


def _inside(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """What base64 of any text that holds *raw* must hold, by where *raw* begins in it.

    HTTP's Basic authentication sends a password so, behind the user's name.
    """
    for before in range(3):
        encoded = encode(bytes(before) + raw).decode()
        # Six bits a character: those that share bits with a neighbour can be anything.
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
