"""Encrypted logs: a handler of the ``logging`` module, and a sink for access records.

Each needs only ``encrypt`` on one Transit key of the service, so that the service cannot read what
it wrote. ``strongroom logs read`` decrypts the files with the rights of an auditor.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.file_key import FileKey
from app_integration.encryption.files.frames import MAX_RECORD
from app_integration.names import Scope
from app_integration.observability.log_writer import (
    MAX_AGE,
    MAX_BYTES,
    LogPlace,
    LogWriter,
    Rotation,
    WriterBusy,
)

_MAX_WAITING: Final = 1024  # records that wait until another one is written
_CUT: Final = b" [cut off]"
#: A frame is never empty.
_EMPTY: Final = b" "


class EncryptedLogHandler(logging.Handler):
    """Handler that writes each record as one frame of an encrypted file.

    A process writes one file at a time, named
    ``<log>-<UTC time>-<writer>-<sequence>.log.encrypted``, with mode 0600. A forked child writes
    files of its own. A record of more than 1 MiB is cut off, and an empty one becomes a space.
    """

    def __init__(
        self,
        files: FileCipher,
        folder: Path | str,
        log: str = "app",
        *,
        recipients: Sequence[str] = (),
        max_bytes: int = MAX_BYTES,
        max_age: float = MAX_AGE,
        level: int | str = logging.NOTSET,
    ) -> None:
        """Request a file key, which needs the key service once; the first record makes a file.

        After KeyUnavailable there is no handler: the caller decides whether to start without a log.
        *max_age* is in seconds from the first record of a file.
        """
        super().__init__(level)
        place = LogPlace(files.scope, Path(folder), log)
        new_file_key = partial(files.new_file_key, recipients)
        self._writer = LogWriter(place, new_file_key, Rotation(max_bytes, max_age))
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._writer.prepare()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A failure is reported as that of any handler."""
        data = b""
        try:
            data = self.format(record).encode("utf-8", "backslashreplace")
            if not 0 < len(data) <= MAX_RECORD:
                data = _fit(data)
            self._writer.write(data)
            while self._waiting:
                self._writer.write(self._waiting.popleft())
        except WriterBusy:
            # Logged by a finalizer or signal handler within a write, which then writes it, too.
            self._waiting.append(data)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 (as in each handler of logging)
            self.handleError(record)

    def close(self) -> None:
        """Write the last frame of the file. A later record starts the next file."""
        self._writer.close()
        super().close()


def _fit(data: bytes) -> bytes:
    """Return a record of a possible size: a space for an empty one, or the beginning."""
    return data[: MAX_RECORD - len(_CUT)] + _CUT if data else _EMPTY


class EncryptedSink:
    """A sink that writes each line as one frame of an encrypted file."""

    def __init__(self, file: Path, scope: Scope, new_file_key: Callable[[], FileKey]) -> None:
        """Create the sink. The first line requests the file key, and creates a file.

        *file* names the folder and, without its ending, the log; no file of this name is written.
        """
        place = LogPlace(scope, file.parent, file.stem)
        self._writer = LogWriter(place, new_file_key, Rotation())

    def __call__(self, line: str) -> None:
        """Append *line*."""
        self._writer.write(line.encode())

    def close(self) -> None:
        """Write the last frame of the file."""
        self._writer.close()
