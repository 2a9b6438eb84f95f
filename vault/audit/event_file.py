"""File of events: an audit log of the server that is not compressed, read as it grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from pathlib import Path

from app_integration._internal.input_file import open_input
from app_integration.errors import ConfigurationError
from vault.audit.event_columns import LINES
from vault.audit.line import Event, parse_time, read_lines


@dataclass(slots=True)
class EventFile:
    """What was read of one file."""

    path: Path
    lines: int = 0
    skipped: int = 0
    first: datetime | None = None
    last: datetime | None = None
    offset: int = 0
    inode: int | None = None
    _is_cut: bool = field(default=False, init=False, repr=False)

    def responses(self, is_wanted: Callable[[str], bool]) -> Iterator[Event]:
        """Yield the responses to requests with a wanted API path, and count all lines.

        A further call reads only what was appended, or the whole file if it was replaced.
        """
        with BufferedReader(open_input(self.path)) as file:
            found = os.fstat(file.fileno())
            if found.st_ino != self.inode or found.st_size < self.offset:
                # The lines that the file before it had after the last call were not read.
                self.inode, self.offset, self.first = found.st_ino, 0, None
            elif self._is_cut:
                self.skipped -= 1  # because that line is read again
            self._is_cut = False
            file.seek(self.offset)
            for line, size in read_lines(file):
                if not line.endswith(b"\n"):
                    self.skipped += 1
                    self._is_cut = True
                    break
                self.offset += size
                yield from self._responses(line, is_wanted)
        if self.skipped and not self.lines:
            raise ConfigurationError(
                f"{self.path} has no line of an audit log; name a file of an audit device, which "
                "is not compressed"
            )

    def _responses(self, line: bytes, is_wanted: Callable[[str], bool]) -> Iterator[Event]:
        """Count a line, and yield its wanted responses, several if others are glued to it."""
        found = LINES.glance(line)
        # Most lines are not wanted, and judging takes most of the time.
        if found and not _is_wanted(found, is_wanted) and self._count(found["time"]):
            return
        events, reason = LINES.judge(line)
        self.skipped += reason is not None
        for event in events:
            self._count(event["time"])
            if _is_wanted(event, is_wanted):
                yield event

    def _count(self, text: str) -> bool:
        """Count a line with the time *text*, and return whether that is one."""
        time = parse_time(text)
        if time is None:
            return False
        self.lines += 1
        self.first = min(self.first or time, time)
        self.last = max(self.last or time, time)
        return True


def _is_wanted(event: Event, is_wanted: Callable[[str], bool]) -> bool:
    return event["type"] == "response" and is_wanted((event.get("request") or {}).get("path") or "")
