"""Changes of an encoded file."""

from __future__ import annotations

from collections.abc import Callable

Edit = Callable[[bytes], bytes]


def cut_at(size: int) -> Edit:
    """Return an edit that removes what follows *size* bytes, or the last bytes."""
    return lambda file: file[:size]


def append(data: bytes) -> Edit:
    return lambda file: file + data


def flip(offset: int) -> Edit:
    """Return an edit that changes the lowest bit of one byte."""

    def edit(file: bytes) -> bytes:
        changed = bytearray(file)
        changed[offset] ^= 1
        return bytes(changed)

    return edit
