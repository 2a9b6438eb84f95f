"""Plaintext of a backup: the facts, and the compressed dump in bounded pieces."""

from __future__ import annotations

import collections
import io
import os

import pytest

from backup.archive import CHUNK, read_dump, read_facts, write_archive
from backup.errors import RestoreRefused
from backup.facts import DatabaseFacts, TableFacts

FACTS = DatabaseFacts(tables={"public.orders": TableFacts(3, -9)})
DUMPS = [b"", b"a", b"a" * (3 * CHUNK + 1), os.urandom(2 * CHUNK), bytes(64 * CHUNK)]


def written(dump: bytes) -> bytes:
    file = io.BytesIO()
    write_archive(
        file, FACTS, [dump[start : start + CHUNK] for start in range(0, len(dump), CHUNK)]
    )
    return file.getvalue()


@pytest.mark.parametrize("dump", DUMPS, ids=len)
def test_archive_is_read_as_it_was_written(dump: bytes) -> None:
    file = io.BytesIO(written(dump))
    assert read_facts(file) == FACTS
    pieces = list(read_dump(file))
    assert b"".join(pieces) == dump
    assert all(len(piece) <= CHUNK for piece in pieces)


@pytest.mark.parametrize("end", [1, 3, 200, -1, -4, -70_000])
def test_archive_that_is_cut_is_refused(end: int) -> None:
    file = io.BytesIO(written(os.urandom(CHUNK))[:end])
    with pytest.raises(RestoreRefused):
        _ = [read_facts(file), *read_dump(file)]


def test_archive_with_bytes_behind_its_end_is_refused() -> None:
    for extra in (b"x", bytes(2 * CHUNK)):
        file = io.BytesIO(written(b"dump") + extra)
        read_facts(file)
        with pytest.raises(RestoreRefused):
            list(read_dump(file))


def test_archive_of_another_version_is_refused() -> None:
    with pytest.raises(RestoreRefused, match="the backup has format 2, but this version reads 1"):
        read_facts(io.BytesIO(written(b"").replace(b'"format": 1', b'"format": 2')))


def test_last_piece_is_yielded_after_the_end_was_verified() -> None:
    class Altered(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if not (data := super().read(size)):
                raise ValueError("the last chunk is altered")
            return data

    dump = os.urandom(2 * CHUNK)
    file, pieces = Altered(written(dump)), bytearray()
    read_facts(file)
    with pytest.raises(ValueError, match="altered"):
        collections.deque(map(pieces.extend, read_dump(file)))
    assert dump.startswith(pieces)
    assert len(pieces) < len(dump)
