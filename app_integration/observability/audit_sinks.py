"""Where access records go: a file that processes share, or standard error."""

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

#: Takes one line a call. What it raises, an OSError or ValueError, stops the release of the secret.
Sink = Callable[[str], None]

#: Seconds between two looks whether the file was moved away: lines follow a rotated log that late.
LOOK_AGAIN: Final = 1.0


class FileSink:
    """Appends to a file, made 0600: one write a line, so that processes can share it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: *clock* in seconds, monotonic."""
        self._path = path
        self._clock = clock
        self._descriptor: int | None = None
        self._let_go: Callable[[], object] = bool  # closes the descriptor
        self._looked = float("-inf")
        self._torn = False  # whether the last line was written in part
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """A fresh lock; the file is shared."""
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        """Append *line*.

        Raises:
            OSError: it isn't written, or not whole.

        """
        data = f"{line}\n".encode()
        with self._lock:
            descriptor = self._open()
            if self._torn:
                data = b"\n" + data
            written = os.write(descriptor, data)
            self._torn = written < len(data) and (written > 0 or self._torn)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self) -> int:
        now, held = self._clock(), self._descriptor
        if held is not None and now - self._looked < LOOK_AGAIN:
            return held
        self._looked = now
        return held if held is not None and self._is_there(held) else self._reopen()

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _reopen(self) -> int:
        self._descriptor = None
        self._let_go()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = opened = os.open(self._path, flags, 0o600)
        let_go = weakref.finalize(self, os.close, opened)
        let_go.atexit = False  # the last counts are written at exit
        self._let_go = let_go
        self._torn = False
        return opened


def stderr_sink(line: str) -> None:
    """Writes to standard error, as a container's log collector expects."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
