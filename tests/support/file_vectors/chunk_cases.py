"""Vectors of a body of chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.file_vectors.edits import append, cut_at, flip
from tests.support.file_vectors.vector import Vector, build, failure
from tests.support.file_vectors.writer import CHUNK, LAST, Piece

TAG, HEADER = 16, 4096
SHORT = b"the last chunk"


def _last(plaintext: bytes | int = SHORT, counter: int = 0) -> Piece:
    return Piece(plaintext=plaintext, counter=counter, final=LAST)


def _lost(plaintext: bytes | int = SHORT, counter: int = 0, final: int = LAST) -> Piece:
    """Return a chunk that a reader does not release."""
    return Piece(plaintext=plaintext, counter=counter, final=final, released=False)


FULL, SECOND = Piece(plaintext=CHUNK), Piece(plaintext=CHUNK, counter=1)
#: Name, comment and chunks.
READ: Sequence[tuple[str, str, list[Piece]]] = (
    ("chunks-empty", "no plaintext", [_last(b"")]),
    ("chunks-1-byte", "1 byte of plaintext", [_last(b"\0")]),
    ("chunks-short", "one short chunk", [_last()]),
    ("chunks-full-less-1", "1 byte less than a chunk", [_last(CHUNK - 1)]),
    ("chunks-full", "one full chunk", [_last(CHUNK)]),
    ("chunks-full-and-1", "1 byte more than a chunk", [FULL, _last(b"\xff", 1)]),
    ("chunks-three", "two full chunks and a short one", [FULL, SECOND, _last(SHORT, 2)]),
    ("chunks-two-full", "two full chunks", [FULL, _last(CHUNK, 1)]),
)
#: Name, comment and chunks, and a change of the file.
REJECTED: Sequence[tuple[Any, ...]] = (
    ("chunks-too-long", "the last chunk has 1 byte too many", [_lost(CHUNK + 1)]),
    ("cut-in-tag-01", "1 bytes of the first chunk", [_lost()], cut_at(HEADER + 1)),
    ("cut-in-tag-15", "15 bytes of the first chunk", [_lost()], cut_at(HEADER + TAG - 1)),
    ("cut-in-ciphertext", "the end of the last chunk is missing", [_lost()], cut_at(-1)),
    ("cut-to-tag-size", "16 bytes of the first chunk", [_lost()], cut_at(HEADER + TAG)),
    ("cut-empty", "the tag of the empty chunk has 15 bytes", [_lost(b"")], cut_at(-1)),
    ("cut-before-last-chunk", "only the first of two chunks", [_lost(CHUNK, 0, 0)]),
    ("cut-before-last-of-3", "the first two of three chunks", [FULL, _lost(CHUNK, 1, 0)]),
    (
        "cut-in-last-chunk",
        "the last chunk has less bytes than a tag",
        [FULL, _lost(SHORT, 1)],
        cut_at(-len(SHORT) - 1),
    ),
    (
        "cut-in-full-chunk",
        "the end of a full first chunk is missing",
        [_lost(CHUNK, 0, 0)],
        cut_at(-1),
    ),
    ("appended-to-empty", "1 byte after the empty chunk", [_lost(b"")], append(b"\0")),
    ("appended-to-short", "1 byte after a short chunk", [_lost()], append(b"\0")),
    ("appended-to-full", "1 byte after a full last chunk", [_lost(CHUNK)], append(b"\0")),
    ("appended-chunk", "a further last chunk", [_lost(CHUNK), _lost(SHORT, 1)]),
    ("appended-file", "the chunk of a short file twice", [_lost(), _lost()]),
    ("last-not-final", "the last byte of the nonce is 00 in the last chunk", [_lost(final=0)]),
    ("last-final-2", "the last byte of the nonce is 02", [_lost(final=2)]),
    ("last-final-255", "the last byte of the nonce is ff", [_lost(final=255)]),
    ("empty-not-final", "the empty chunk is not the last", [_lost(b"", final=0)]),
    (
        "final-early",
        "the first of two chunks is marked as the last",
        [_lost(CHUNK), _lost(SHORT, 1)],
    ),
    ("last-empty", "the last chunk is empty after a full one", [FULL, _lost(b"", 1)]),
    ("last-of-2-not-final", "the last of two chunks is not final", [FULL, _lost(SHORT, 1, 0)]),
    ("first-counter-1", "the first chunk is missing", [_lost(SHORT, 1)]),
    ("counter-high-bit", "the highest bit of the counter is set", [_lost(SHORT, 1 << 87)]),
    ("middle-missing", "the second of three chunks is missing", [FULL, _lost(SHORT, 2)]),
    (
        "chunk-repeated",
        "the first chunk is repeated",
        [FULL, _lost(CHUNK, 0, 0), _lost(SHORT, 1)],
    ),
    ("counter-repeated", "the second chunk has the counter of the first", [FULL, _lost(SHORT, 0)]),
    (
        "chunks-swapped",
        "the first and second of three chunks are swapped",
        [_lost(CHUNK, 1, 0), _lost(CHUNK, 0, 0), _lost(SHORT, 2)],
    ),
    ("changed-ciphertext", "one bit of the ciphertext", [_lost()], flip(HEADER)),
    ("changed-tag", "one bit of the tag", [_lost()], flip(-1)),
    ("changed-second-chunk", "one bit of the second chunk", [FULL, _lost(SHORT, 1)], flip(-1)),
)


def cases() -> Iterator[Vector]:
    for name, comment, chunks in READ:
        yield build(name, comment, *chunks)
    for name, comment, chunks, *edit in REJECTED:
        yield failure(name, comment, *chunks, edit=edit[0] if edit else bytes)
