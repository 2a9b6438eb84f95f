"""Cutter of lines that a client made long or deep.

A client chooses the names in its request, and the server logs them as they are: some in full, twice
where a response warns of them, and with six bytes for one. A line may so have hundreds of
megabytes, or more nesting than a parser takes. It is cut where the client's part is long or deep:
the server's fields, such as its time, path and identity, stay.
"""

from __future__ import annotations

import re
from typing import Final

#: Bytes of a text, and of the members of an object within the request or the response.
MAX_TEXT: Final = 64 * 2**10
MAX_MEMBERS: Final = 256 * 2**10
#: An object of the line is at depth 1, its request at 2, and the data of that at 3.
_DATA: Final = 3
_MAX_DEPTH: Final = 20
CHUNK: Final = 64 * 2**10

_TEXT: Final = re.compile(rb'(?:[^"\\]+|\\.)*', re.DOTALL)
_BETWEEN: Final = re.compile(rb'[^"{}\[\],]+')
# What can be kept of a text without cutting an escape or a character.
_PLAIN: Final = re.compile(rb"[ !#-\[\]-~]{0,200}")


class LineCutter:
    """A line that is fed in pieces."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = self._depth = self._data_start = 0
        #: Depth of the object or list whose further members are left out.
        self._skipped: int | None = None
        self._text: bytearray | None = None
        self._text_size = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Add the next piece, the last one with its end."""
        for start in range(0, len(data), CHUNK):  # because of the state of an expression
            self._feed(self._rest + data[start : start + CHUNK])

    def end(self) -> bytes:
        """Return what is left of the line: JSON, if it was."""
        if self._text is not None:
            self._keep(self._shorten(self._text, b""))
        return bytes(self._kept)

    def _feed(self, data: bytes) -> None:
        self._rest, at = b"", 0
        while at < len(data):
            if self._text is not None:
                at = self._add_text(self._text, data, at)
            elif found := _BETWEEN.match(data, at):
                self._keep(found[0])
                at = found.end()
            else:
                self._add_mark(data[at : at + 1])
                at += 1

    def _add_text(self, text: bytearray, data: bytes, start: int) -> int:
        """Add to a text up to its end, and return where the search goes on."""
        found = _TEXT.match(data, start)
        end = found.end() if found else start
        text += data[start : min(end, start + MAX_TEXT + 1)] if len(text) <= MAX_TEXT else b""
        self._text_size += end - start
        if end == len(data):
            return end
        if data[end : end + 1] == b"\\":  # the first half of an escape
            self._rest = data[end:]
            return len(data)
        self._keep(self._shorten(text, data[end - 1 : end]) + b'"')
        self._size += self._text_size
        self._text = None
        return end + 1

    def _shorten(self, text: bytearray, last: bytes) -> bytes:
        """Return a text, or a part that no other text of the line has."""
        if self._text_size <= MAX_TEXT:
            return bytes(text)
        start = _PLAIN.match(text)
        named = f"... ({self._text_size} bytes at {self._size} left out)".encode()
        # The end of a torn text is the start of a line that is glued to it.
        return (start[0] if start else b"") + named + (last if last == b"{" else b"")

    def _add_mark(self, mark: bytes) -> None:
        if mark == b'"':
            self._keep(mark)
            self._text, self._text_size = bytearray(), 0
        elif mark in b"{[":
            self._keep(mark)
            self._open()
        elif mark in b"}]":
            if self._depth == self._skipped:
                self._skipped = None
            self._depth -= 1
            self._keep(mark)
        elif self._is_full():
            self._skipped = self._depth
        else:
            self._keep(mark)

    def _open(self) -> None:
        self._depth += 1
        if self._depth == _DATA:
            self._data_start = len(self._kept)
        if self._depth == _MAX_DEPTH and self._skipped is None:
            self._skipped = self._depth

    def _is_full(self) -> bool:
        """Return whether a comma begins a member that is left out."""
        is_data = self._depth >= _DATA and self._skipped is None
        return is_data and len(self._kept) - self._data_start > MAX_MEMBERS

    def _keep(self, data: bytes) -> None:
        if self._skipped is None:
            self._kept += data
        self._size += len(data)
