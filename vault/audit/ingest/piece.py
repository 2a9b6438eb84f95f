"""Pieces of a log: files that end with a line, small enough to be cleaned in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration.encryption.files.streams import write_all

#: Bytes after which a piece ends. DuckDB reads it with two threads from 64 MiB on.
PIECE: Final = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of a log in a file of its own, which the next piece replaces."""

    path: Path
    size: int
    lines: int


def write_pieces(
    blocks: Iterable[bytes], path: Path, has_ended: Callable[[], bool], limit: int
) -> Iterator[Piece]:
    """Write *blocks* to *path*, and yield each piece once it is there.

    The file is removed at the end. A piece ends with the last complete line after *limit* bytes.
    *has_ended* returns, after the last block, whether a last line without a newline is one, too.
    """
    writer = _Writer(path)
    try:
        for block in blocks:
            writer.add(block)
            if writer.size >= limit and writer.end:
                yield writer.piece()
                writer.go_on()
        if writer.size and has_ended():
            yield writer.last_piece()
        elif writer.end:
            yield writer.piece()
    finally:
        writer.file.close()
        path.unlink()


class _Writer:
    """Writer of the current piece."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self.file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        self._tail = b""
        self.size = self.end = self.lines = 0

    def add(self, block: bytes) -> None:
        """Write *block*."""
        write_all(self.file, memoryview(block))
        self.lines += block.count(b"\n")
        if newline := block.rfind(b"\n") + 1:
            self.end = self.size + newline
        self.size += len(block)

    def piece(self) -> Piece:
        """Return what was written up to the last line."""
        self._tail = os.pread(self.file.fileno(), self.size - self.end, self.end)
        self.file.truncate(self.end)
        return Piece(self._path, self.end, self.lines)

    def go_on(self) -> None:
        """Begin the next piece with what follows the last line."""
        self.file.seek(0)
        self.file.truncate(0)
        tail, self._tail = self._tail, b""
        self.size = self.end = self.lines = 0
        self.add(tail)

    def last_piece(self) -> Piece:
        """Return all that was written."""
        return Piece(self._path, self.size, self.lines + (self.end < self.size))
