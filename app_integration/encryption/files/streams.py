"""Reading and writing of whole buffers, from and to files and pipes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
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
    """Read until *buffer* is full or *source* ends; return the number of bytes."""
    filled = 0
    while filled < len(buffer):
        count = source.readinto(buffer[filled:])
        if count is None:
            raise EncryptionError("cannot read from a source that does not block; make it block")
        if count == 0:
            break
        filled += count
    return filled


def read_parts(source: Source, size: int) -> Iterator[tuple[memoryview, bool]]:
    """Yield each part of *source* of *size* bytes, and whether it is the last one.

    The last part may be shorter; that of an empty source is empty. A part is yielded when the next
    one has begun, because only the last one is marked. It is valid until the next one is taken.
    """
    part, ahead = new_buffer(size), new_buffer(size)
    filled = fill(source, part)
    while filled == size and (more := fill(source, ahead)):
        yield part, False
        part, ahead, filled = ahead, part, more
    yield part[:filled], True


def read_at(descriptor: int, buffer: memoryview, offset: int) -> bool:
    """Fill *buffer* from *offset* on; return whether the file is long enough."""
    filled = 0
    while filled < len(buffer):
        count = os.preadv(descriptor, [buffer[filled:]], offset + filled)
        if count == 0:
            return False
        filled += count
    return True


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of *data* at *offset* of a regular file."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)


def write_all(target: Target, data: memoryview) -> None:
    """Write all of *data*; a raw file or a pipe may accept it in parts."""
    written = 0
    while written < len(data):
        count = target.write(data[written:])
        if count is None:
            raise EncryptionError("cannot write to a target that does not block; make it block")
        written += count
