"""Reading and writing of whole buffers, from and to files and pipes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Protocol

from app_integration.errors import EncryptionError

#: Receives the number of bytes of the source that are done.
Progress = Callable[[int], None]


class Source(Protocol):
    """An open binary file or pipe to read from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read bytes into *buffer*, and return how many; 0 at the end."""
        ...


class Target(Protocol):
    """An open binary file or pipe to write to."""

    def write(self, data: memoryview, /) -> int | None:
        """Write bytes of *data*, and return how many."""
        ...


def report_nothing(_done: int) -> None:
    """Ignore the progress."""


def new_buffer(size: int) -> memoryview:
    """Return a buffer of *size* zeros. Pages that are not used take no memory and no time."""
    return memoryview(mmap.mmap(-1, size))


def fill(source: Source, buffer: memoryview) -> int:
    """Read until *buffer* is full or *source* ends; return the number of bytes.

    Raises:
        EncryptionError: If *source* does not block.

    """
    filled = 0
    while filled < len(buffer):
        count = source.readinto(buffer[filled:])
        if count is None:
            raise EncryptionError("cannot read from a source that does not block; make it block")
        if count == 0:
            break
        filled += count
    return filled


def read_at(descriptor: int, buffer: memoryview, offset: int) -> bool:
    """Fill *buffer* from *offset* on; return whether the file is long enough."""
    filled = 0
    while filled < len(buffer):
        count = os.preadv(descriptor, [buffer[filled:]], offset + filled)
        if count == 0:
            return False
        filled += count
    return True


def write_all(target: Target, data: memoryview) -> None:
    """Write all of *data*; a raw file or a pipe may accept it in parts.

    Raises:
        EncryptionError: If *target* does not block.

    """
    written = 0
    while written < len(data):
        count = target.write(data[written:])
        if count is None:
            raise EncryptionError("cannot write to a target that does not block; make it block")
        written += count
