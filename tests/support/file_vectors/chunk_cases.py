"""Vectors of a body of chunks."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.file_vectors.edits import append, cut_at, flip
from tests.support.file_vectors.vector import Vector, build, failure
from tests.support.file_vectors.writer import CHUNK, LAST, Piece

TAG, HEADER = 16, 4096
FULL = Piece(plaintext=CHUNK)
SHORT = b"the last chunk"


def cases() -> Iterator[Vector]:
    """Return the vectors."""
    yield from _sizes()
    yield from _cut()
    yield from _appended()
    yield from _final_flags()
    yield from _orders()
    yield from _changed()


def _last(plaintext: bytes | int = SHORT, counter: int = 0) -> Piece:
    return Piece(plaintext=plaintext, counter=counter, final=LAST)


def _lost(plaintext: bytes | int = SHORT, counter: int = 0, final: int = LAST) -> Piece:
    """Return a chunk that a reader does not release."""
    return Piece(plaintext=plaintext, counter=counter, final=final, released=False)


def _sizes() -> Iterator[Vector]:
    yield build("chunks-empty", "no plaintext", _last(b""))
    yield build("chunks-1-byte", "1 byte of plaintext", _last(b"\0"))
    yield build("chunks-short", "one short chunk", _last())
    yield build("chunks-full-less-1", "1 byte less than a chunk", _last(CHUNK - 1))
    yield build("chunks-full", "one full chunk", _last(CHUNK))
    yield build("chunks-full-and-1", "1 byte more than a chunk", FULL, _last(b"\xff", 1))
    second = Piece(plaintext=CHUNK, counter=1)
    yield build("chunks-three", "two full chunks and a short one", FULL, second, _last(SHORT, 2))
    yield build("chunks-two-full", "two full chunks", FULL, _last(CHUNK, 1))
    too_long = _lost(CHUNK + 1)
    yield failure("chunks-too-long", "the last chunk has 1 byte too many", too_long)


def _cut() -> Iterator[Vector]:
    for size in (1, TAG - 1):
        yield failure(
            f"cut-in-tag-{size:02}",
            f"{size} bytes of the first chunk",
            _lost(),
            edit=cut_at(HEADER + size),
        )
    yield failure(
        "cut-in-ciphertext", "the end of the last chunk is missing", _lost(), edit=cut_at(-1)
    )
    yield failure(
        "cut-to-tag-size", "16 bytes of the first chunk", _lost(), edit=cut_at(HEADER + TAG)
    )
    yield failure(
        "cut-empty", "the tag of the empty chunk has 15 bytes", _lost(b""), edit=cut_at(-1)
    )
    yield failure("cut-before-last-chunk", "only the first of two chunks", _lost(CHUNK, 0, 0))
    third = Piece(plaintext=CHUNK, counter=1, released=False)
    yield failure("cut-before-last-of-3", "the first two of three chunks", FULL, third)
    yield failure(
        "cut-in-last-chunk",
        "the last chunk has less bytes than a tag",
        FULL,
        _lost(SHORT, 1),
        edit=cut_at(-len(SHORT) - 1),
    )
    yield failure(
        "cut-in-full-chunk",
        "the end of a full first chunk is missing",
        _lost(CHUNK, 0, 0),
        edit=cut_at(-1),
    )


def _appended() -> Iterator[Vector]:
    yield failure(
        "appended-to-empty", "1 byte after the empty chunk", _lost(b""), edit=append(b"\0")
    )
    yield failure("appended-to-short", "1 byte after a short chunk", _lost(), edit=append(b"\0"))
    yield failure(
        "appended-to-full", "1 byte after a full last chunk", _lost(CHUNK), edit=append(b"\0")
    )
    yield failure("appended-chunk", "a further last chunk", _lost(CHUNK), _lost(SHORT, 1))
    yield failure("appended-file", "the chunk of a short file twice", _lost(), _lost())


def _final_flags() -> Iterator[Vector]:
    yield failure(
        "last-not-final", "the last byte of the nonce is 00 in the last chunk", _lost(final=0)
    )
    yield failure("last-final-2", "the last byte of the nonce is 02", _lost(final=2))
    yield failure("last-final-255", "the last byte of the nonce is ff", _lost(final=255))
    yield failure("empty-not-final", "the empty chunk is not the last", _lost(b"", final=0))
    yield failure(
        "final-early",
        "the first of two chunks is marked as the last",
        _lost(CHUNK),
        _lost(SHORT, 1),
    )
    yield failure("last-empty", "the last chunk is empty after a full one", FULL, _lost(b"", 1))
    yield failure(
        "last-of-2-not-final", "the last of two chunks is not final", FULL, _lost(SHORT, 1, 0)
    )


def _orders() -> Iterator[Vector]:
    yield failure("first-counter-1", "the first chunk is missing", _lost(SHORT, 1))
    yield failure(
        "counter-high-bit", "the highest bit of the counter is set", _lost(SHORT, 1 << 87)
    )
    yield failure("middle-missing", "the second of three chunks is missing", FULL, _lost(SHORT, 2))
    yield failure(
        "chunk-repeated", "the first chunk is repeated", FULL, _lost(CHUNK, 0, 0), _lost(SHORT, 1)
    )
    yield failure(
        "counter-repeated", "the second chunk has the counter of the first", FULL, _lost(SHORT, 0)
    )
    swapped = (_lost(CHUNK, 1, 0), _lost(CHUNK, 0, 0), _lost(SHORT, 2))
    yield failure("chunks-swapped", "the first and second of three chunks are swapped", *swapped)


def _changed() -> Iterator[Vector]:
    yield failure("changed-ciphertext", "one bit of the ciphertext", _lost(), edit=flip(HEADER))
    yield failure("changed-tag", "one bit of the tag", _lost(), edit=flip(-1))
    yield failure(
        "changed-second-chunk", "one bit of the second chunk", FULL, _lost(SHORT, 1), edit=flip(-1)
    )
