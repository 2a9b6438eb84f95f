"""Writer of a log as encrypted files in a folder, one file at a time for each process."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app_integration._internal import fork_safety
from app_integration.encryption.files.file_key import FileKey
from app_integration.encryption.files.frames import OVERHEAD
from app_integration.encryption.files.log_context import WRITER_SIZE, LogContext, check_log_name
from app_integration.encryption.files.preamble import Body
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.observability.log_file import LogFile

#: End of the name of each file.
SUFFIX: Final = ".log.encrypted"
#: Seconds between two checks whether something else moved, removed or changed the file.
CHECK_INTERVAL: Final = 1.0
MAX_BYTES: Final = 64 * 2**20  # of one file, by default
MAX_AGE: Final = 86_400.0  # seconds of one file, by default
_LARGEST: Final = 2**36  # bytes of a file: more could have too many frames
_PREFIX: Final = 8  # hexadecimal digits of the writer in a file's name


class WriterBusy(OSError):
    """A record that was logged while this thread is writing another one, as a finalizer may do."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Limits of one file, after which the next one starts."""

    max_bytes: int = MAX_BYTES
    max_age: float = MAX_AGE

    def __post_init__(self) -> None:
        """Reject limits that no file can keep."""
        if not 0 < self.max_bytes <= _LARGEST:
            raise ConfigurationError(f"max_bytes is {self.max_bytes}; use 1 to {_LARGEST}")
        if not self.max_age > 0:
            raise ConfigurationError(f"max_age is {self.max_age}; use a positive number of seconds")


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Place of a log."""

    scope: Scope
    folder: Path
    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        check_log_name(self.name)

    def path(self, context: LogContext, now: float) -> Path:
        """Return the path of a new file."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        prefix = context.writer.hex()[:_PREFIX]
        return self.folder / f"{self.name}-{stamp}-{prefix}-{context.sequence:06}{SUFFIX}"


class LogWriter:
    """Writer of one log in this process. Thread-safe.

    A forked child writes files of its own, under the file key of its parent, so that it needs no
    request.
    """

    def __init__(
        self,
        place: LogPlace,
        new_file_key: Callable[[], FileKey],
        rotation: Rotation,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Create the writer; nothing is sent or written yet."""
        self._place = place
        self._new_file_key = new_file_key
        self._rotation = rotation
        self._room = rotation.max_bytes - OVERHEAD  # for a record after the bytes before it
        self._clock = clock
        self._now = now
        self._random = random
        self._file_key: FileKey | None = None
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Become another writer: the open file belongs to the parent."""
        self._lock = threading.RLock()
        self._is_busy = False
        self._file: LogFile | None = None
        self._writer = self._random(WRITER_SIZE)
        self._sequence = 0
        self._check_at = self._end_at = 0.0

    def prepare(self) -> None:
        """Request the file key, which the first record would do otherwise."""
        if not os.access(self._place.folder, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"cannot write a log to {self._place.folder}; create the folder, and let this "
                "user write to it"
            )
        with self._lock:
            self._get_file_key()

    def write(self, record: bytes) -> None:
        """Append a record to the current file, or to the next one.

        Raises WriterBusy if this thread is writing another record at this moment. After an OSError,
        the next record goes to another file.
        """
        with self._lock:
            if self._is_busy:
                raise WriterBusy(errno.EDEADLK, os.strerror(errno.EDEADLK))
            try:
                self._is_busy = True
                file = self._file
                if (
                    file is None
                    or not file.is_usable
                    or file.size + len(record) > self._room
                    or self._clock() >= self._check_at
                ):
                    file = self._choose_file(record)
                file.append(record)
            finally:
                self._is_busy = False

    def close(self) -> None:
        """Write the last frame of the current file. A later record starts the next file."""
        with self._lock:
            if not self._is_busy:  # else a signal handler or a finalizer runs within a write
                self._finish()

    def _choose_file(self, record: bytes) -> LogFile:
        """Return the current file if it takes *record*, or else the next one."""
        file, time = self._file, self._clock()
        if file is not None and file.is_usable and time < self._end_at:
            # A first record may exceed the size, because no file has room for it.
            has_room = file.size + len(record) <= self._room or not file.count
            if has_room and (time < self._check_at or file.is_in_place()):
                self._check_at = min(time + CHECK_INTERVAL, self._end_at)
                return file
        return self._start_next(time)

    def _start_next(self, time: float) -> LogFile:
        """Close the current file, and create the next one."""
        self._finish()
        key, sequence = self._get_file_key(), self._sequence + 1
        context = LogContext(self._place.scope, self._place.name, self._writer, sequence)
        header, cipher = key.start(Body.FRAMES, context.encode())
        file = LogFile.create(self._place.path(context, self._now()), header, cipher)
        self._file, self._sequence = file, sequence
        self._end_at = time + self._rotation.max_age
        self._check_at = min(time + CHECK_INTERVAL, self._end_at)
        return file

    def _finish(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _get_file_key(self) -> FileKey:
        if self._file_key is None:
            self._file_key = self._new_file_key()
        return self._file_key
