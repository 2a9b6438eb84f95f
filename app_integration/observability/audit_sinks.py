"""Sinks for access records: a file that processes share, or standard error."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app_integration._internal import fork_safety

#: A function that writes one line. An OSError or ValueError that it raises stops the release of the
#: secret.
Sink = Callable[[str], None]

#: Seconds between two checks whether log rotation moved the file. Until the next check, lines still
#: go to the moved file.
CHECK_INTERVAL: Final = 1.0


class FileSink:
    """A sink that appends to a file, which it creates with mode 0600.

    Each line is one write, so that processes can share the file.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the sink; the first line opens the file."""
        self._path = path
        self._clock = clock
        self._descriptor: int | None = None
        self._close_descriptor: Callable[[], object] = bool
        self._checked_at = float("-inf")
        self._is_line_partial = False  # whether only part of the last line was written
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the lock. Parent and child share the file."""
        # Reentrant, because a signal handler that reads a secret may run within a write.
        self._lock = threading.RLock()

    def __call__(self, line: str) -> None:
        """Append *line*."""
        data = f"{line}\n".encode()
        with self._lock:
            now, descriptor = self._clock(), self._descriptor
            if descriptor is None or now - self._checked_at >= CHECK_INTERVAL:
                self._checked_at = now
                descriptor = self._open(descriptor)
            if self._is_line_partial:
                data = b"\n" + data
            written = os.write(descriptor, data)
            self._is_line_partial = written < len(data) and (written > 0 or self._is_line_partial)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _open(self, descriptor: int | None) -> int:
        """Return *descriptor*, or a new one if it is not that of the file at the path."""
        if descriptor is not None and self._is_at_path(descriptor):
            return descriptor
        self._descriptor = None
        self._close_descriptor()
        # Non-blocking, because opening a pipe would otherwise wait for a reader; writes may wait.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = opened = os.open(self._path, flags, 0o600)
        os.set_blocking(opened, True)
        close = weakref.finalize(self, os.close, opened)
        close.atexit = False  # because the last counts are written at exit
        self._close_descriptor = close
        self._is_line_partial = False
        return opened


def stderr_sink(line: str) -> None:
    """Write *line* to standard error, as a container's log collector expects."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def open_sink(file: Path | None) -> Sink:
    """Return the sink for *file*, or standard error if it is None."""
    return FileSink(file) if file else stderr_sink
