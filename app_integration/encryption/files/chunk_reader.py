"""Binary file objects that decrypt what is read from them: at any offset, or in order."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

from app_integration.encryption.files import header
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.chunks import (
    CHUNK_SIZE,
    SEALED_SIZE,
    is_possible_size,
    plain_size,
)
from app_integration.encryption.files.streams import Source, new_buffer, read_at, read_parts
from app_integration.errors import raise_decryption_failed


class RandomAccessReader(io.RawIOBase):
    """A seekable file object that reads a regular file. Use it through ``io.BufferedReader``.

    Its last chunk is decrypted first, so a file that was cut is rejected before any byte is read.
    """

    def __init__(self, cipher: BodyCipher, descriptor: int) -> None:
        """Verify the last chunk. :meth:`close` closes *descriptor*."""
        super().__init__()
        self._cipher = cipher
        self._descriptor = descriptor
        self._sealed_size = os.fstat(descriptor).st_size - header.SIZE
        #: Number of bytes of the plaintext.
        self.size = plain_size(self._sealed_size)
        self._last = max(0, self.size - 1) // CHUNK_SIZE
        self._offset = 0
        self._number = self._last
        self._chunk = self._read_chunk(self._last)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to *offset* of the plaintext, and return the new offset from its start."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self.size}
        if whence not in starts or starts[whence] + offset < 0:
            raise ValueError("cannot seek to before the start, or to data or a hole")
        self._offset = starts[whence] + offset
        return self._offset

    def readinto(self, buffer: Any, /) -> int:
        """Read up to the end of the chunk at the current offset; return the number of bytes."""
        into = memoryview(buffer).cast("B")
        if self._offset >= self.size or not into:
            return 0
        number, start = divmod(self._offset, CHUNK_SIZE)
        if number != self._number:
            self._chunk, self._number = self._read_chunk(number), number
        part = memoryview(self._chunk)[start : start + len(into)]
        into[: len(part)] = part
        self._offset += len(part)
        return len(part)

    def _read_chunk(self, number: int) -> bytes:
        offset = number * SEALED_SIZE
        sealed = new_buffer(min(SEALED_SIZE, self._sealed_size - offset))
        if not read_at(self._descriptor, sealed, header.SIZE + offset):
            raise_decryption_failed("file")
        return self._cipher.open(number, sealed, last=number == self._last)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class SequentialReader(io.RawIOBase):
    """A file object that reads a pipe or another file in order.

    It is at its end only after the last chunk was verified; a body that was cut raises instead.
    After an error, every further read fails.
    """

    def __init__(self, cipher: BodyCipher, source: Source) -> None:
        """Read nothing yet. *source* is at the start of the body, and stays open."""
        super().__init__()
        self._chunks = _open_chunks(cipher, source)
        self._is_broken = False
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read verified bytes into *buffer*; return their number, 0 after the last chunk."""
        into = memoryview(buffer).cast("B")
        if not self._plain:
            self._plain = memoryview(self._read_chunk())
        part = self._plain[: len(into)]
        into[: len(part)] = part
        self._plain = self._plain[len(part) :]
        return len(part)

    def _read_chunk(self) -> bytes:
        if self._is_broken:
            raise_decryption_failed("file")
        # After an error no chunk follows; a further read must not take that for the body's end.
        self._is_broken = True
        chunk = next(self._chunks, b"")
        self._is_broken = False
        return chunk


def _open_chunks(cipher: BodyCipher, source: Source) -> Iterator[bytes]:
    """Yield the plaintext of each chunk, once it is verified."""
    for position, (sealed, last) in enumerate(read_parts(source, SEALED_SIZE)):
        if not is_possible_size(position * SEALED_SIZE + len(sealed)):
            raise_decryption_failed("file")
        yield cipher.open(position, sealed, last=last)
