"""Vectors of a body of frames, which is a log."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.support.file_vectors.edits import append, cut_at, flip
from tests.support.file_vectors.vector import Vector, build, failure
from tests.support.file_vectors.writer import FRAMES, LAST, LOG, MAX_RECORD, File, Piece, fixed

CLOSED, OPEN, INCOMPLETE = "closed", "open", "incomplete"
ONE, TWO = b'{"path": "/health"}', b"two\nlines"
#: Bytes of a frame beside its record.
OVERHEAD = 20

_read = partial(build, body_type=FRAMES, context=LOG)
_rejected = partial(failure, body_type=FRAMES, context=LOG)


def cases() -> Iterator[Vector]:
    """Return the vectors."""
    yield from _sizes()
    yield from _incomplete()
    yield from _lengths()
    yield from _closes()
    yield from _orders()


def _frames(*records: bytes | int, first: int = 0) -> list[Piece]:
    counted = enumerate(records, start=first)
    return [Piece(plaintext=each, counter=counter) for counter, each in counted]


def _close(counter: int, *, final: int = LAST) -> Piece:
    return Piece(plaintext=b"", counter=counter, final=final, released=False)


def _lost(record: bytes, counter: int, *, final: int = 0, length: int | None = None) -> Piece:
    """Return a frame that a reader does not release."""
    return Piece(plaintext=record, counter=counter, final=final, length=length, released=False)


def _sizes() -> Iterator[Vector]:
    yield _read("frames-closed", "two records", *_frames(ONE, TWO), _close(2), end=CLOSED)
    yield _read("frames-open", "two records", *_frames(ONE, TWO), end=OPEN)
    yield _read("frames-none-closed", "no record", _close(0), end=CLOSED)
    yield _read(
        "frames-none-open", "a body without a byte", _lost(ONE, 0), edit=cut_at(4096), end=OPEN
    )
    yield _read("frames-1-byte", "a record of 1 byte", *_frames(b"\n"), _close(1), end=CLOSED)
    yield _read(
        "frames-longest", "a record of 1,048,576 bytes", *_frames(MAX_RECORD), _close(1), end=CLOSED
    )
    many = [bytes([number % 256]) for number in range(300)]
    yield _read("frames-300", "a counter of two bytes", *_frames(*many), _close(300), end=CLOSED)


def _incomplete() -> Iterator[Vector]:
    """Return logs whose last frame is cut. The frame is not released."""
    last = _lost(TWO, 1)
    size = len(TWO) + OVERHEAD
    for kept in (1, 3, 4, 5, 20, size - 1):
        yield _read(
            f"frames-incomplete-{kept:02}",
            f"{kept} bytes of the last frame",
            *_frames(ONE),
            last,
            edit=cut_at(kept - size),
            end=INCOMPLETE,
        )
    yield _read(
        "frames-incomplete-close",
        "the last byte of the last frame is missing",
        *_frames(ONE),
        _close(1),
        edit=cut_at(-1),
        end=INCOMPLETE,
    )
    yield _read(
        "frames-incomplete-first",
        "a part of the first frame",
        _lost(ONE, 0),
        edit=cut_at(-1),
        end=INCOMPLETE,
    )
    longest = _lost(TWO, 1, length=MAX_RECORD + 16)
    yield _read(
        "frames-incomplete-longest",
        "the length is the greatest, and few bytes follow",
        *_frames(ONE),
        longest,
        end=INCOMPLETE,
    )


def _lengths() -> Iterator[Vector]:
    for length in (0, 1, 15):
        yield _rejected(
            f"frame-length-{length:02}",
            f"{length} as length of the second frame",
            *_frames(ONE),
            _lost(TWO, 1, length=length),
        )
    yield _rejected(
        "frame-length-15-incomplete",
        "a wrong length, and 10 of these bytes",
        *_frames(ONE),
        _lost(TWO, 1, length=15),
        edit=cut_at(10 - len(TWO) - 16),
    )
    for length in (MAX_RECORD + 17, (1 << 32) - 1):
        yield _rejected(
            f"frame-length-{length}",
            f"{length} as length of the second frame",
            *_frames(ONE),
            _lost(TWO, 1, length=length),
        )
    yield _rejected(
        "frame-too-long",
        "a right frame with a record of 1,048,577 bytes",
        *_frames(ONE),
        Piece(plaintext=MAX_RECORD + 1, counter=1, released=False),
        _close(2),
    )
    yield _rejected(
        "frame-length-less-1",
        "the length is 1 less than the frame has",
        *_frames(ONE),
        _lost(TWO, 1, length=len(TWO) + 15),
        _close(2),
    )
    yield _rejected(
        "frame-length-more-1",
        "the length is 1 more than the frame has",
        *_frames(ONE),
        _lost(TWO, 1, length=len(TWO) + 17),
        _close(2),
    )


def _closes() -> Iterator[Vector]:
    yield _rejected(
        "close-not-final",
        "a frame without plaintext that is not the last",
        *_frames(ONE),
        _close(1, final=0),
    )
    yield _rejected(
        "close-with-plaintext",
        "the last frame has plaintext",
        *_frames(ONE),
        _lost(TWO, 1, final=LAST),
    )
    yield _rejected(
        "close-final-2", "the last byte of the nonce is 02", *_frames(ONE), _close(1, final=2)
    )
    yield _rejected(
        "frame-after-close", "a frame after the last one", *_frames(ONE), _close(1), _lost(TWO, 2)
    )
    yield _rejected(
        "close-after-close", "a further last frame", *_frames(ONE), _close(1), _close(2)
    )
    yield _rejected(
        "byte-after-close",
        "1 byte after the last frame",
        *_frames(ONE),
        _close(1),
        edit=append(b"\0"),
    )


def _orders() -> Iterator[Vector]:
    yield _rejected(
        "frame-missing",
        "the second of three frames is missing",
        *_frames(ONE),
        _lost(TWO, 2),
        _close(3),
    )
    yield _rejected("frame-first-missing", "the first frame is missing", _lost(TWO, 1), _close(2))
    yield _rejected(
        "frame-repeated",
        "the first frame is repeated",
        *_frames(ONE),
        _lost(ONE, 0),
        _lost(TWO, 1),
        _close(2),
    )
    yield _rejected(
        "frames-swapped",
        "the first and second frame are swapped",
        _lost(TWO, 1),
        _lost(ONE, 0),
        _close(2),
    )
    yield _rejected(
        "frame-missing-before-close",
        "the frame before the last one is missing",
        *_frames(ONE),
        _close(2),
    )
    yield _rejected(
        "frame-changed", "one bit of the second frame", *_frames(ONE), _lost(TWO, 1), edit=flip(-1)
    )
    name = "frames-sealed-as-chunks"
    chunks = File(salt=fixed(f"salt of {name}"), pieces=[], context=LOG)
    yield _rejected(
        name,
        "the associated data of the frames has another body type",
        _lost(ONE, 0),
        _close(1),
        sealed_as=chunks,
    )
