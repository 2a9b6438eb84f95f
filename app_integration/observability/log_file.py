"""One encrypted file of a log that this process appends to."""

from __future__ import annotations

import errno
import os
import weakref
from pathlib import Path
from typing import Self

from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.frames import encode_frame, encode_last_frame


class LogFile:
    """File that has one frame for each record. It is not thread-safe.

    A failed write makes the file unusable, because a counter must not be used for two plaintexts,
    and what was stored of the first one is unknown.
    """

    def __init__(self, path: Path, descriptor: int, cipher: BodyCipher, size: int) -> None:
        """Take over an open file."""
        self._path = path
        self._descriptor = descriptor
        self._cipher = cipher
        self.size = size
        self.count = 0
        self.is_usable = True
        self._close_descriptor = weakref.finalize(self, os.close, descriptor)
        self._close_descriptor.atexit = False  # because handlers close their files at exit

    @classmethod
    def create(cls, path: Path, header: bytes, cipher: BodyCipher) -> Self:
        """Create a file with mode 0600 and its header."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        file = cls(path, os.open(path, flags, 0o600), cipher, 0)
        try:
            file._write(header)
        except BaseException:
            file._close_descriptor()
            path.unlink(missing_ok=True)
            raise
        return file

    def append(self, record: bytes) -> None:
        """Append a record as one frame, in one write."""
        # Not usable until all is done: an interrupt may leave this method between any two lines.
        self.is_usable = False
        frame = encode_frame(self._cipher, self.count, record)
        if os.write(self._descriptor, frame) != len(frame):  # here, because a call costs time
            raise _no_space()
        self.size += len(frame)
        self.count += 1
        self.is_usable = True

    def is_in_place(self) -> bool:
        """Return whether the file is at its path and has the size that was written."""
        try:
            here = os.fstat(self._descriptor)
            return os.path.samestat(here, self._path.stat()) and here.st_size == self.size
        except OSError:
            return False

    def close(self) -> None:
        """Write the last frame, if that is possible, and close the file.

        A frame that was written in part is cut off before. Without a last frame a reader reports
        that the file is not closed.
        """
        is_torn, self.is_usable = not self.is_usable, False
        try:
            if is_torn:
                self._cut_off()
            if os.fstat(self._descriptor).st_size == self.size:
                self._write_last_frame()
        except OSError:
            return  # and a reader reports an incomplete frame
        finally:
            self._close_descriptor()

    def _write_last_frame(self) -> None:
        try:
            self._write(encode_last_frame(self._cipher, self.count))
        except OSError:
            self._cut_off()

    def _cut_off(self) -> None:
        """Cut off what was written in part, so that the frames before it are whole."""
        if os.fstat(self._descriptor).st_size > self.size:
            os.ftruncate(self._descriptor, self.size)

    def _write(self, data: bytes) -> None:
        if os.write(self._descriptor, data) != len(data):
            raise _no_space()
        self.size += len(data)


def _no_space() -> OSError:
    """Return the error of a write that wrote only a part."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
