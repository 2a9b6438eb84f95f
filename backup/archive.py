"""Plaintext of a backup: the facts of the database, then the compressed dump.

The archive is ``length u32, big-endian | facts, JSON | dump, zlib``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from backup.errors import RestoreRefused
from backup.facts import DatabaseFacts

CHUNK: Final = 256 * 1024
_LEVEL: Final = 1  # the fastest, because higher ones cost more time than they save bytes
_MAX_FACTS: Final = 64 * 1024 * 1024
_LENGTH_BYTES: Final = 4


class Readable(Protocol):
    """Binary file that can be read."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes, and none at the end."""
        ...


class Writable(Protocol):
    """Binary file that can be written."""

    def write(self, data: bytes, /) -> object:
        """Write all of *data*."""
        ...


def write_archive(file: Writable, facts: DatabaseFacts, dump: Iterable[bytes]) -> None:
    """Write *facts* and the compressed *dump* to *file*."""
    text = facts.to_json()
    file.write(len(text).to_bytes(_LENGTH_BYTES, "big") + text)
    compressor = zlib.compressobj(_LEVEL)
    for chunk in dump:
        if compressed := compressor.compress(chunk):
            file.write(compressed)
    file.write(compressor.flush())


def read_facts(file: Readable) -> DatabaseFacts:
    """Read the facts, with which *file* begins."""
    length = int.from_bytes(_read_exactly(file, _LENGTH_BYTES), "big")
    if length > _MAX_FACTS:
        raise _unknown()
    try:
        return DatabaseFacts.from_json(_read_exactly(file, length))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unknown() from None


def read_dump(file: Readable) -> Iterator[bytes]:
    """Yield the dump in pieces of at most :data:`CHUNK` bytes, the facts having been read.

    The last piece is yielded once the end of *file* was read, and so verified. Otherwise
    ``pg_restore``, which stops reading at the end of the dump, could commit an altered file.
    """
    previous = b""
    try:
        for piece in _decompress(file):
            if previous:
                yield previous
            previous = piece
    except zlib.error:
        raise _unknown() from None
    yield previous


def _decompress(file: Readable) -> Iterator[bytes]:
    decompressor = zlib.decompressobj()
    while compressed := file.read(CHUNK):
        if decompressor.eof:
            raise _unknown()
        while compressed:
            if piece := decompressor.decompress(compressed, CHUNK):
                yield piece
            compressed = decompressor.unconsumed_tail
        if decompressor.unused_data:
            raise _unknown()
    if piece := decompressor.flush():  # at most what one window of zlib holds back
        yield piece
    if not decompressor.eof:
        raise _unknown()


def _read_exactly(file: Readable, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = file.read(size - len(data))
        if not chunk:
            raise _unknown()
        data += chunk
    return data


def _unknown() -> RestoreRefused:
    return RestoreRefused(
        "the content of the backup is not that of this version; use the version of the tool that "
        "made it"
    )
