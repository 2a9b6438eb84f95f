"""Frames: the body of an encrypted log, which has one frame for each record.

``docs/file-format.md`` specifies them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app_integration.encryption.files.body import TAG_SIZE, BodyCipher
from app_integration.errors import raise_decryption_failed

MAX_RECORD: Final = 1_048_576  # bytes of one record
MAX_FRAMES: Final = 2**32  # of one file, with the last one

_LENGTH: Final = 4  # bytes
#: Bytes of a frame beside its record.
OVERHEAD: Final = _LENGTH + TAG_SIZE


def encode_frame(cipher: BodyCipher, counter: int, record: bytes) -> bytes:
    """Return the frame of a record. No *counter* is used twice in a file; the first is 0."""
    if not 0 < len(record) <= MAX_RECORD:
        raise ValueError(f"a record has {len(record)} bytes; use 1 to {MAX_RECORD}")
    return (len(record) + TAG_SIZE).to_bytes(_LENGTH, "big") + cipher.seal(counter, record)


def encode_last_frame(cipher: BodyCipher, counter: int) -> bytes:
    """Return the frame that closes a file."""
    return TAG_SIZE.to_bytes(_LENGTH, "big") + cipher.seal(counter, b"", last=True)


class FrameReader:
    """Reader of the frames of one file, which is fed with the bytes after the header."""

    def __init__(self, cipher: BodyCipher) -> None:
        """Create the reader."""
        self._cipher = cipher
        self._buffer = bytearray()
        self.is_closed = False
        self.count = 0

    @property
    def pending(self) -> int:
        """Return the number of bytes of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each record that *data* completes, once it is verified.

        After an error, every later call raises it, too.
        """
        self._buffer += data
        while (sealed := self._next_sealed()) is not None:
            record = self._open(sealed)
            del self._buffer[: _LENGTH + len(sealed)]
            if record:
                self.count += 1
                yield record
        if self.is_closed and self._buffer:
            raise_decryption_failed("file")

    def _next_sealed(self) -> bytes | None:
        """Return the next frame without its length, or None if it is not complete."""
        if self.is_closed or len(self._buffer) < _LENGTH:
            return None
        length = int.from_bytes(self._buffer[:_LENGTH], "big")
        if not TAG_SIZE <= length <= MAX_RECORD + TAG_SIZE:
            raise_decryption_failed("file")
        end = _LENGTH + length
        return bytes(self._buffer[_LENGTH:end]) if len(self._buffer) >= end else None

    def _open(self, sealed: bytes) -> bytes:
        """Return the record of a frame; that of the last frame is empty."""
        if self.count >= MAX_FRAMES:
            raise_decryption_failed("file")
        is_last = len(sealed) == TAG_SIZE
        record = self._cipher.open(self.count, sealed, last=is_last)
        self.is_closed = is_last
        return record
