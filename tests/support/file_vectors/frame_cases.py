"""Vectors of a body of frames, which is a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tests.support.file_vectors.edits import append, cut_at, flip
from tests.support.file_vectors.vector import Vector, build, failure
from tests.support.file_vectors.writer import FRAMES, LAST, LOG, MAX_RECORD, File, Piece, fixed

ONE, TWO = b'{"path": "/health"}', b"two\nlines"
#: Bytes of a frame beside its record, and of that of TWO.
OVERHEAD = 20
SIZE = len(TWO) + OVERHEAD
SEALED_AS_CHUNKS = "frames-sealed-as-chunks"


def _frame(record: bytes | int, counter: int = 0) -> Piece:
    return Piece(plaintext=record, counter=counter)


def _close(counter: int, final: int = LAST) -> Piece:
    return Piece(plaintext=b"", counter=counter, final=final, released=False)


def _lost(record: bytes | int, counter: int, length: int | None = None, final: int = 0) -> Piece:
    """Return a frame that a reader does not release."""
    return Piece(plaintext=record, counter=counter, final=final, length=length, released=False)


FIRST = _frame(ONE)
BOTH, MANY = [FIRST, _frame(TWO, 1)], [_frame(bytes([i % 256]), i) for i in range(300)]
#: Name, comment, frames and end, and a change of the file. A frame that is cut is not released.
READ: Sequence[tuple[Any, ...]] = (
    ("frames-closed", "two records", [*BOTH, _close(2)], "closed"),
    ("frames-open", "two records", BOTH, "open"),
    ("frames-none-closed", "no record", [_close(0)], "closed"),
    ("frames-none-open", "a body without a byte", [_lost(ONE, 0)], "open", cut_at(4096)),
    ("frames-1-byte", "a record of 1 byte", [_frame(b"\n"), _close(1)], "closed"),
    ("frames-longest", "a record of 1,048,576 bytes", [_frame(MAX_RECORD), _close(1)], "closed"),
    ("frames-300", "a counter of two bytes", [*MANY, _close(300)], "closed"),
    *(
        (
            f"frames-incomplete-{kept:02}",
            f"{kept} bytes of the last frame",
            [FIRST, _lost(TWO, 1)],
            "incomplete",
            cut_at(kept - SIZE),
        )
        for kept in (1, 3, 4, 5, 20, SIZE - 1)
    ),
    (
        "frames-incomplete-close",
        "the last byte of the last frame is missing",
        [FIRST, _close(1)],
        "incomplete",
        cut_at(-1),
    ),
    (
        "frames-incomplete-first",
        "a part of the first frame",
        [_lost(ONE, 0)],
        "incomplete",
        cut_at(-1),
    ),
    (
        "frames-incomplete-longest",
        "the length is the greatest, and few bytes follow",
        [FIRST, _lost(TWO, 1, MAX_RECORD + 16)],
        "incomplete",
    ),
)
#: Name, comment and frames after the first one, and a change of the file.
REJECTED: Sequence[tuple[Any, ...]] = (
    *(
        (
            f"frame-length-{length:02}",
            f"{length} as length of the second frame",
            [_lost(TWO, 1, length)],
        )
        for length in (0, 1, 15, MAX_RECORD + 17, (1 << 32) - 1)
    ),
    (
        "frame-length-15-incomplete",
        "a wrong length, and 10 of these bytes",
        [_lost(TWO, 1, 15)],
        cut_at(14 - SIZE),
    ),
    (
        "frame-too-long",
        "a right frame with a record of 1,048,577 bytes",
        [_lost(MAX_RECORD + 1, 1), _close(2)],
    ),
    (
        "frame-length-less-1",
        "the length is 1 less than the frame has",
        [_lost(TWO, 1, len(TWO) + 15), _close(2)],
    ),
    (
        "frame-length-more-1",
        "the length is 1 more than the frame has",
        [_lost(TWO, 1, len(TWO) + 17), _close(2)],
    ),
    ("close-not-final", "a frame without plaintext that is not the last", [_close(1, 0)]),
    ("close-with-plaintext", "the last frame has plaintext", [_lost(TWO, 1, final=LAST)]),
    ("close-final-2", "the last byte of the nonce is 02", [_close(1, 2)]),
    ("frame-after-close", "a frame after the last one", [_close(1), _lost(TWO, 2)]),
    ("close-after-close", "a further last frame", [_close(1), _close(2)]),
    ("byte-after-close", "1 byte after the last frame", [_close(1)], append(b"\0")),
    ("frame-missing", "the second of three frames is missing", [_lost(TWO, 2), _close(3)]),
    (
        "frame-repeated",
        "the first frame is repeated",
        [_lost(ONE, 0), _lost(TWO, 1), _close(2)],
    ),
    ("frame-missing-before-close", "the frame before the last one is missing", [_close(2)]),
    ("frame-changed", "one bit of the second frame", [_lost(TWO, 1)], flip(-1)),
)
#: Name, comment, frames, and further parts of the file.
REJECTED_AT_ONCE: Sequence[tuple[str, str, list[Piece], dict[str, Any]]] = (
    ("frame-first-missing", "the first frame is missing", [_lost(TWO, 1), _close(2)], {}),
    (
        "frames-swapped",
        "the first and second frame are swapped",
        [_lost(TWO, 1), _lost(ONE, 0), _close(2)],
        {},
    ),
    (
        SEALED_AS_CHUNKS,
        "the associated data of the frames has another body type",
        [_lost(ONE, 0), _close(1)],
        {"sealed_as": File(salt=fixed(f"salt of {SEALED_AS_CHUNKS}"), pieces=[], context=LOG)},
    ),
)


def cases() -> Iterator[Vector]:
    read = partial(build, body_type=FRAMES, context=LOG)
    reject = partial(failure, body_type=FRAMES, context=LOG)
    for name, comment, frames, end, *edit in READ:
        yield read(name, comment, *frames, end=end, edit=edit[0] if edit else bytes)
    for name, comment, frames, *edit in REJECTED:
        yield reject(name, comment, FIRST, *frames, edit=edit[0] if edit else bytes)
    for name, comment, frames, parts in REJECTED_AT_ONCE:
        yield reject(name, comment, *frames, **parts)
