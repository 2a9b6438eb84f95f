"""Streaming reader of audit logs of the server.

A log is read line by line, so that its size does not matter. Lines are not in the order of their
times. A full disk leaves a torn line, to which the next one is glued, and the last line of a log in
use may be incomplete. Such lines are skipped and counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, Final

from app_integration._internal.input_file import open_input
from app_integration.errors import ConfigurationError
from vault.audit.line import START, decode, read_lines, split_glued
from vault.reconcile.server_time import parse_time

_PATH: Final = re.compile(rb'"path":"([^"\\]+)"')
_RESPONSE: Final = b'"type":"response"'


@dataclass(slots=True)
class LogFile:
    """What was read of one file.

    Attributes:
        lines: Number of lines with a time.
        skipped: Number of lines that could not be read.
        first: Earliest time of a line.
        last: Latest time of a line.
        offset: Bytes of the file that were read, up to the end of a line.
        inode: The file that has them, None before the first read.

    """

    path: Path
    lines: int = 0
    skipped: int = 0
    first: datetime | None = None
    last: datetime | None = None
    offset: int = 0
    inode: int | None = None

    def responses(self, is_wanted: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
        """Yield the decoded response lines with a wanted API path, and count all lines.

        A further call reads only what was appended, or the whole file if it was replaced.

        Args:
            is_wanted: Returns whether a path, of the request or elsewhere in the line, is wanted.

        Raises:
            OSError: If the file cannot be read.
            ConfigurationError: If no line of it is one of an audit log.

        """
        with BufferedReader(open_input(self.path)) as file:
            found = os.fstat(file.fileno())
            if found.st_ino != self.inode or found.st_size < self.offset:
                # The lines that the file before it had after the last call were not read.
                self.inode, self.offset, self.first = found.st_ino, 0, None
            file.seek(self.offset)
            for line in self._lines(file):
                yield from self._decode(line, is_wanted)
        if self.skipped and not self.lines:
            raise ConfigurationError(
                f"{self.path} has no line of an audit log; name a file of an audit device, which "
                "is not compressed"
            )

    def _lines(self, file: BufferedReader[FileIO]) -> Iterator[bytes]:
        """Yield the complete lines."""
        for line, size in read_lines(file):
            if line.endswith(b"\n"):
                self.offset += size
                yield line
            else:
                self.skipped += 1

    def _decode(self, line: bytes, is_wanted: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
        if not line.strip():
            return
        *torn, line = split_glued(line)
        self.skipped += bool(torn)
        try:
            start = START.match(line)
            # Most lines are not wanted, and decoding takes most of the time.
            if start and line.endswith(b"}\n") and not _may_be_wanted(line, is_wanted):
                self._count(start[1].decode())
                return
            document = decode(line.decode())
            self._count(document["time"])
        except (ValueError, TypeError, LookupError, RecursionError):
            self.skipped += 1
            return
        if document.get("type") == "response":
            yield document

    def _count(self, text: str) -> None:
        time = parse_time(text)
        if time is None:
            raise ValueError("no time")
        self.lines += 1
        self.first = min(self.first or time, time)
        self.last = max(self.last or time, time)


def _may_be_wanted(line: bytes, is_wanted: Callable[[str], bool]) -> bool:
    if _RESPONSE not in line:
        return False
    return any(is_wanted(path.decode("utf-8", "replace")) for path in _PATH.findall(line))
