"""Lines of logs, read so that a client cannot make one unreadable.

A client chooses the names in its request, and the server logs them as they are: some in full, twice
where a response warns of them, and with six bytes for one. A line may so have hundreds of
megabytes, or more nesting than a parser takes. It is cut where the client's part is long or deep:
the server's fields, such as its time, path and identity, stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

#: Bytes of the longest line that is not cut. A response with a thousand keys has 80 kB.
MAX_LINE: Final = 16 * 2**20
#: Bytes of a text, and of the members of an object within the request or the response.
MAX_TEXT: Final = 64 * 2**10
MAX_MEMBERS: Final = 256 * 2**10
#: An object of the line is at depth 1, its request at 2, and the data of that at 3.
_DATA: Final = 3
_MAX_DEPTH: Final = 20
_CHUNK: Final = 64 * 2**10
_DIGITS: Final = 30

#: The start of a line, which each writer begins with the time.
START: Final = re.compile(rb'\{"time":"(\d{4}-[^"\\{]{1,40})"')
#: Within a line, what a client has sent may begin so, too, but after one of these: a text escapes
#: its quotes.
_MARKS: Final = (b":", b",", b"[")
_MAX_TRIED: Final = 100

_TEXT: Final = re.compile(rb'(?:[^"\\]+|\\.)*', re.DOTALL)
_BETWEEN: Final = re.compile(rb'[^"{}\[\],]+')
# What can be kept of a text without cutting an escape or a character.
_PLAIN: Final = re.compile(rb"[ !#-\[\]-~]{0,200}")


def read_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each line of *file*, cut if it is long, and its size before that.

    The last one has no newline, if the file has none there.
    """
    while data := file.readline(MAX_LINE):
        size = len(data)
        if size == MAX_LINE and not data.endswith(b"\n"):
            cutter = _Cutter()
            cutter.feed(data)
            while data and not data.endswith(b"\n"):
                data = file.readline(_CHUNK)
                cutter.feed(data)
                size += len(data)
            data = cutter.end().rstrip(b"\n") + data[-1:]
        yield data, size


def split_glued(line: bytes) -> list[bytes]:
    """Return a torn line and those that are glued to it, or *line* alone."""
    starts = [each.start() for each in START.finditer(line)]
    if starts in ([], [0]):
        return [line]
    cuts = [at for at in starts if at and line[at - 1 : at] not in _MARKS]
    if not cuts and not _is_whole(line):
        # Torn at a mark. More of the line follows what a client has sent, and nothing this one.
        tried = [at for at in starts if at][:_MAX_TRIED]
        cuts = [at for at in tried if _is_whole(line[at:])][:1]
    return [line[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]


def _is_whole(line: bytes) -> bool:
    try:
        decode(line.decode())
    except (ValueError, RecursionError):
        return False
    return True


def decode(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the value of a line.

    Args:
        text: The line.
        pairs: Returns an object of its names and values, None for a dictionary.

    Raises:
        ValueError: If it is no JSON.

    """
    try:
        return json.loads(text, object_pairs_hook=pairs, parse_int=_parse_int)
    except RecursionError:
        cutter = _Cutter()
        cutter.feed(text.encode())
        return json.loads(cutter.end(), object_pairs_hook=pairs, parse_int=_parse_int)


def _parse_int(digits: str) -> float:
    """Return a number, of which Python rejects one with thousands of digits otherwise."""
    return int(digits) if len(digits) < _DIGITS else float(digits)


class _Cutter:
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
        for start in range(0, len(data), _CHUNK):  # because of the state of an expression
            self._feed(self._rest + data[start : start + _CHUNK])

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
