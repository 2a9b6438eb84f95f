"""Vectors of the preamble: its fields, the context, the commitment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.file_vectors.edits import cut_at
from tests.support.file_vectors.vector import Vector, build, failure
from tests.support.file_vectors.writer import (
    BACKUP,
    LAST,
    SERVICE,
    TEXT,
    File,
    Piece,
    context,
    fixed,
)

MAX_CONTEXT, HEADER = 940, 4096
#: The name, type and length of the last entry take 6 bytes.
LONGEST = context(*SERVICE, ("of", TEXT, b"x" * (MAX_CONTEXT - len(context(*SERVICE)) - 6)))
OTHER = context(*SERVICE, ("of", TEXT, b"export"))


def cases() -> Iterator[Vector]:
    """Return the vectors."""
    yield from _fields()
    yield from _contexts()
    yield from _keys()
    yield from _preamble_changed_after_sealing()
    yield from _cut()


def _fields() -> Iterator[Vector]:
    yield failure("magic", "the magic of another program", magic=b"strongroom data\n")
    yield failure("magic-without-newline", "the magic ends with 00", magic=b"strongroom file\0")
    yield failure("version-0", "version 0", version=0)
    yield failure("version-2", "version 2", version=2)
    yield failure("body-type-0", "body type 0, and chunks", body_type=0)
    close = Piece(plaintext=b"", final=LAST, released=False)
    yield failure("body-type-3", "body type 3, and frames", close, body_type=3)
    yield failure("preamble-last-byte", "set bit in the zeros", end_of_preamble=b"\1")
    yield failure(
        "preamble-after-context",
        "set bit directly after the context",
        context=BACKUP + b"\x80",
        context_length=len(BACKUP),
        expected=BACKUP,
    )


def _contexts() -> Iterator[Vector]:
    yield build("context-longest", "a context of 940 bytes, and no zeros", context=LONGEST)
    yield build("context-without-entries", "no entry of the caller", context=context(*SERVICE))
    yield failure("context-other", "another value of one entry is expected", expected=OTHER)
    yield failure(
        "context-more-expected",
        "an entry is expected that the file does not contain",
        context=context(*SERVICE),
        expected=BACKUP,
    )
    yield failure(
        "context-prefix", "the file has a part of the context", context=BACKUP[:-1], expected=BACKUP
    )
    yield failure(
        "context-length-941",
        "the context is 1 byte too long, and ends with the number of recipients",
        context=LONGEST,
        context_length=MAX_CONTEXT + 1,
        expected=LONGEST + b"\1",
    )
    yield failure(
        "context-length-941-cut",
        "the context is 1 byte longer than the preamble, whose end is expected",
        context=LONGEST,
        context_length=MAX_CONTEXT + 1,
        expected=LONGEST,
    )
    yield failure(
        "context-longer",
        "the context ends with a byte that is not expected",
        context=BACKUP + b"\0",
        expected=BACKUP,
    )
    yield failure(
        "context-length-65535",
        "the length of the context is the greatest number",
        context_length=65_535,
        expected=BACKUP,
    )
    yield failure("context-length-0", "the context has no bytes", context=b"", expected=BACKUP)


def _keys() -> Iterator[Vector]:
    yield failure(
        "commitment-of-other-key",
        "the body is sealed with the right key, and the commitment is that of another",
        commitment=File(salt=fixed("salt"), pieces=[], file_key=fixed("other")).derived()[32:],
    )
    yield failure(
        "commitment-of-other-salt",
        "the commitment is that of the file key with another salt",
        commitment=File(salt=fixed("other salt"), pieces=[]).derived()[32:],
    )
    yield failure(
        "commitment-of-other-context",
        "the commitment is that of the same file with another context",
        commitment=File(
            salt=fixed("salt of commitment-of-other-context"), pieces=[], context=OTHER
        ).derived()[32:],
    )
    yield failure(
        "file-key-of-other-file", "everything belongs to another key", file_key=fixed("other")
    )
    yield failure(
        "body-key",
        "the commitment is right, and the body is sealed with another key",
        body_key=fixed("other"),
    )


def _preamble_changed_after_sealing() -> Iterator[Vector]:
    """Return files whose header is right and whose body is sealed for another preamble."""

    def sealed_as(name: str, **parts: Any) -> File:
        return File(salt=fixed(f"salt of {name}"), pieces=[], **parts)

    name = "sealed-with-other-context"
    yield failure(
        name,
        "the associated data of the body has another context",
        sealed_as=sealed_as(name, context=OTHER),
    )
    name = "sealed-as-frames"
    yield failure(
        name,
        "the associated data of the body has another body type",
        sealed_as=sealed_as(name, body_type=2),
    )


def _cut() -> Iterator[Vector]:
    for size in (0, 15, 18, 1023, 1024, 2560, HEADER - 1):
        yield failure(f"cut-header-{size:04}", f"the file has {size} bytes", edit=cut_at(size))
    yield failure("cut-after-header", "a body of chunks without a byte", edit=cut_at(HEADER))
