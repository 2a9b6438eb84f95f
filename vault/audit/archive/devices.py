"""Comparison of the server's audit devices: each file must have the request that was just made.

With one of two devices full or deleted, the server goes on, and none of its metrics tells. When no
device can write, it rejects every request, while its health check succeeds.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import open_input

DEADLINE: Final = 5.0  # seconds
#: A busy server writes that much in some minutes.
MIN_FREE: Final = 10**9  # bytes
_POLL_SECONDS: Final = 0.02
#: Within that, a rotation that is under way has ended, and a standby has what the leader wrote.
_PAUSE_SECONDS: Final = 2.0
MEGABYTE: Final = 10**6


@dataclass(frozen=True, slots=True)
class DeviceState:
    """State of a device's file; *size* and *free* are in bytes.

    *exists* is about the time before the request. *has_request* is None if the server rejected
    that.
    """

    path: Path
    exists: bool
    has_request: bool | None
    size: int
    free: int

    @property
    def is_written(self) -> bool:
        """Return whether nothing shows that the server does not write it."""
        return self.exists and self.has_request is not False

    def findings(self, min_free: int) -> Iterator[str]:
        """Yield the faults of the device."""
        if not self.exists:
            yield (
                f"{self.path}: does not exist. If a device has it, the server writes to a deleted "
                "file: copy its lines from /proc/PID/fd of the server, and then reload the server"
            )
        elif self.has_request is False:
            yield (
                f"{self.path}: does not have the request that the server has just answered: its "
                "disk is full, it was replaced, or no device writes it"
            )
        if self.free < min_free:
            yield (
                f"{self.path}: {_megabytes(self.free)} are free on its disk, less than "
                f"{_megabytes(min_free)}; make room, because the server rejects every request "
                "when no device can write"
            )


def _megabytes(count: int) -> str:
    return f"{count // MEGABYTE:,} MB"


@dataclass(slots=True)
class DeviceWatch:
    """File of a device, watched from before a request on."""

    path: Path
    _file: FileIO | None = field(init=False, default=None)
    _is_found: bool = field(init=False, default=False)

    def open(self, stack: ExitStack) -> None:
        """Remember the end of the file, if there is one. *stack* closes it."""
        try:
            self._file = stack.enter_context(open_input(self.path))
        except FileNotFoundError:
            return
        self._file.seek(0, os.SEEK_END)

    def has(self, text: bytes) -> bool:
        """Return whether *text* was written since, also if the log was renamed."""
        if self._file is not None and not self._is_found:
            self._is_found = self._read_new(self._file, text) or self._is_in_other(self._file, text)
        return self._is_found

    def _read_new(self, file: FileIO, text: bytes) -> bool:
        """Return whether what was appended since the last call has *text*."""
        new = file.read()
        file.seek(-min(len(new), len(text)), os.SEEK_CUR)  # because it may be half of *text*
        return text in new

    def _is_in_other(self, file: FileIO, text: bytes) -> bool:
        """Return whether the file that has the name now is another one, with *text*."""
        try:
            is_other = not os.path.samestat(os.fstat(file.fileno()), self.path.stat())
            return is_other and text in self.path.read_bytes()
        except FileNotFoundError:
            return False

    def state(self, has_request: bool | None) -> DeviceState:
        """Return the state of the file."""
        exists = self._file is not None and self.path.exists()
        size = self.path.stat().st_size if exists else 0
        free = shutil.disk_usage(self.path.parent).free
        return DeviceState(self.path, exists, has_request, size, free)


def compare_devices(
    paths: Sequence[Path],
    request: Callable[[], str | None],
    *,
    deadline: float = DEADLINE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[DeviceState]:
    """Send a request, and return the state of each device's file after it.

    *request* returns the id, or None if the server rejected it because it could not log it. If a
    file is missing or lacks the request, all is repeated once, because a rotation may have been
    under way, or a standby may have passed the request on.
    """

    def compare() -> list[DeviceState]:
        return _compare(paths, request, deadline, clock, sleep)

    states = compare()
    if not all(state.is_written for state in states):
        sleep(_PAUSE_SECONDS)
        states = compare()
    return states


def _compare(
    paths: Sequence[Path],
    request: Callable[[], str | None],
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> list[DeviceState]:
    with ExitStack() as stack:
        watches = [DeviceWatch(path) for path in paths]
        for watch in watches:
            watch.open(stack)
        request_id = request()
        if request_id is None:
            return [watch.state(None) for watch in watches]
        text, end = f'"id":"{request_id}"'.encode(), clock() + deadline
        while not all(watch.has(text) for watch in watches) and clock() < end:
            sleep(_POLL_SECONDS)
        return [watch.state(watch.has(text)) for watch in watches]
