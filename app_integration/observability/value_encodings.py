"""Encodings in which a secret value may appear in a text: its parts, escaped or encoded."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

#: Minimum length of a value or part, because redacting a shorter one would hit ordinary words.
MIN_LENGTH: Final = 8  # characters
#: Minimum length of a line that is redacted by itself, in a value that is neither JSON nor PEM.
MIN_LINE: Final = 16  # characters

_PEM_BORDER: Final = re.compile(r"-----[A-Z0-9 ]+-----")
#: Characters that URL encoders leave unencoded. All keep letters, digits and ``-._~``; beyond those
#: they differ, so each set of one is tried.
_SAFE: Final = ("", "/", "!$&'()*+,;=:@/", "!$'()*,;:@/?", "!#$%&'()*+,/:;=?@[]~")
#: Characters that JSON encoders for HTML pages and PHP escape, though JSON does not require it.
_HTML_SAFE_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"}
_LINE_WIDTHS: Final = (64, 76)  # characters of a line of wrapped base64: PEM, MIME


def sensitive_parts(value: str) -> Iterator[str]:
    """Yield *value* and those of its parts that are secret by themselves.

    The parts are the value without surrounding white space, the password in a URL, the texts in
    JSON, the body lines of PEM, and the longer lines of any other text. A part may repeat.
    """
    yield value
    yield value.strip()
    if (password := _password_in(value)) is not None:
        yield password
    document = _parse_json(value)
    if document is not None:
        for leaf in _leaves(document):
            yield from sensitive_parts(leaf)
    elif "\n" in value or "\r" in value:
        yield from _lines(value)


def encodings(value: str) -> Iterator[str]:
    """Yield *value* itself and its escaped and encoded forms. A form may repeat."""
    yield value
    yield repr(value)[1:-1]
    yield from _json_encodings(value)
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
        yield from _embedded_base64(raw, encode)


def wrapped_base64(value: str) -> Iterator[str]:
    """Yield *value* as base64 with line breaks, whole and line by line, unless it is one line."""
    encoded = base64.b64encode(value.encode(errors="surrogatepass")).decode()
    for width in _LINE_WIDTHS:
        lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
        if len(lines) > 1:
            yield from ("\n".join(lines), "\r\n".join(lines))
            yield from lines


def _lines(value: str) -> Iterator[str]:
    lines = [line.strip() for line in value.splitlines()]
    is_pem = any(map(_PEM_BORDER.fullmatch, lines))
    for line in lines:
        if len(line) >= (MIN_LENGTH if is_pem else MIN_LINE) and not _PEM_BORDER.fullmatch(line):
            yield line


def _parse_json(value: str) -> Any:
    """Return the object or list that *value* encodes, or None if it is not one."""
    if not value.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _leaves(document: Any) -> Iterator[str]:
    """Yield the texts in *document* without field names, which are not secret."""
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
    """Return the decoded password if *value* is a URL with one, else None."""
    if "://" not in value or "@" not in value:
        return None
    try:
        password = urlsplit(value).password
    except ValueError:
        return None
    return None if password is None else unquote(password)


def _json_encodings(value: str) -> Iterator[str]:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield text
        yield text.replace("/", "\\/")
        for character, escape in _HTML_SAFE_ESCAPES.items():
            text = text.replace(character, escape)
        yield text


def _embedded_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """Yield the characters that *raw* contributes to the base64 of a longer text, by its offset.

    HTTP Basic authentication, for example, encodes a password after the username.
    """
    for before in range(3):
        encoded = encode(bytes(before) + raw).decode()
        # A character has six bits, so the first and last may also depend on neighbouring bytes.
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
