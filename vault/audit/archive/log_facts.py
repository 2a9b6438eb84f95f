"""Facts of a log: its hash, its lines, and the times of the first and the last one.

Lines are not in the order of their times. A full disk leaves a torn line, to which the next one is
glued, so that a line may have several times.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import open_input
from vault.audit.line import MAX_LINE
from vault.reconcile.server_time import parse_time

_CHUNK: Final = 1024 * 1024
# json.loads recurses, and how deep it may depends on its caller: the facts must not.
_MAX_BRACKETS: Final = 500
# OpenBao begins each line with the time. A line that begins otherwise is decoded as a whole. It is
# not read by its grammar, because verification compares the times that archives have.
_TIME: Final = re.compile(rb'\{"time":"(\d{4}-[^"\\]{1,40})"')


@dataclass(frozen=True, slots=True)
class LogFacts:
    """Facts of the whole content of a log."""

    sha256: str
    size: int
    lines: int
    first: datetime | None
    last: datetime | None


class LogScanner:
    """Collects the facts of a log that is fed in pieces."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = self._lines = 0
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._rest = b""

    @property
    def size(self) -> int:
        """Return the number of bytes so far."""
        return self._size

    def feed(self, piece: bytes) -> None:
        """Add the next piece of the log."""
        for start in range(0, len(piece), _CHUNK):
            self._feed(piece[start : start + _CHUNK])  # because of the list of its lines

    def _feed(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._size += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._add(line[:MAX_LINE])  # so that the facts do not depend on the pieces
        self._rest = self._rest[:MAX_LINE]

    def facts(self) -> LogFacts:
        """Return the facts of all pieces. No further piece can be added."""
        if self._rest:
            self._add(self._rest)
            self._rest = b""
        digest = self._hash.hexdigest()
        return LogFacts(digest, self._size, self._lines, self._first, self._last)

    def _add(self, line: bytes) -> None:
        self._lines += 1
        for time in _times(line):
            self._first = min(self._first or time, time)
            self._last = max(self._last or time, time)


def scan_file(path: Path) -> LogFacts:
    """Return the facts of the file *path*."""
    scanner = LogScanner()
    with open_input(path) as file:
        while piece := file.read(_CHUNK):
            scanner.feed(piece)
    return scanner.facts()


def _times(line: bytes) -> Iterator[datetime]:
    """Yield the times of a line, none if it is not one of an audit log."""
    try:
        texts = [found.decode() for found in _TIME.findall(line)]
        if not texts and line.strip() and line.count(b"[") + line.count(b"{") <= _MAX_BRACKETS:
            texts = [json.loads(line)["time"]]
        times = [parse_time(text) for text in texts]
    except (ValueError, TypeError, LookupError, OverflowError):
        return
    yield from (time for time in times if time is not None)
