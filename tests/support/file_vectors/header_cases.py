"""Vectors of the preamble: its fields, the context, the commitment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
SHORTEST, OTHER = context(*SERVICE), context(*SERVICE, ("of", TEXT, b"export"))
CLOSE = Piece(plaintext=b"", final=LAST, released=False)

#: Name → comment, and parts of the file.
READ: Mapping[str, tuple[str, dict[str, Any]]] = {
    "context-longest": ("a context of 940 bytes, and no zeros", {"context": LONGEST}),
    "context-without-entries": ("no entry of the caller", {"context": SHORTEST}),
}
REJECTED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "magic": ("the magic of another program", {"magic": b"strongroom data\n"}),
    "magic-without-newline": ("the magic ends with 00", {"magic": b"strongroom file\0"}),
    "version-0": ("version 0", {"version": 0}),
    "version-2": ("version 2", {"version": 2}),
    "body-type-0": ("body type 0, and chunks", {"body_type": 0}),
    "preamble-last-byte": ("set bit in the zeros", {"end_of_preamble": b"\1"}),
    "preamble-after-context": (
        "set bit directly after the context",
        {"context": BACKUP + b"\x80", "context_length": len(BACKUP), "expected": BACKUP},
    ),
    "context-other": ("another value of one entry is expected", {"expected": OTHER}),
    "context-more-expected": (
        "an entry is expected that the file does not contain",
        {"context": SHORTEST, "expected": BACKUP},
    ),
    "context-prefix": (
        "the file has a part of the context",
        {"context": BACKUP[:-1], "expected": BACKUP},
    ),
    "context-length-941": (
        "the context is 1 byte too long, and ends with the number of recipients",
        {"context": LONGEST, "context_length": MAX_CONTEXT + 1, "expected": LONGEST + b"\1"},
    ),
    "context-length-941-cut": (
        "the context is 1 byte longer than the preamble, whose end is expected",
        {"context": LONGEST, "context_length": MAX_CONTEXT + 1, "expected": LONGEST},
    ),
    "context-longer": (
        "the context ends with a byte that is not expected",
        {"context": BACKUP + b"\0", "expected": BACKUP},
    ),
    "context-length-65535": (
        "the length of the context is the greatest number",
        {"context_length": 65_535, "expected": BACKUP},
    ),
    "context-length-0": ("the context has no bytes", {"context": b"", "expected": BACKUP}),
    "commitment-of-other-key": (
        "the body is sealed with the right key, and the commitment is that of another",
        {"commitment": File(salt=fixed("salt"), pieces=[], file_key=fixed("other")).derived()[32:]},
    ),
    "commitment-of-other-salt": (
        "the commitment is that of the file key with another salt",
        {"commitment": File(salt=fixed("other salt"), pieces=[]).derived()[32:]},
    ),
    "file-key-of-other-file": ("everything belongs to another key", {"file_key": fixed("other")}),
    "body-key": (
        "the commitment is right, and the body is sealed with another key",
        {"body_key": fixed("other")},
    ),
    **{
        f"cut-header-{size:04}": (f"the file has {size} bytes", {"edit": cut_at(size)})
        for size in (0, 15, 18, 1023, 1024, 2560, HEADER - 1)
    },
    "cut-after-header": ("a body of chunks without a byte", {"edit": cut_at(HEADER)}),
}
#: Name → comment, and parts of the file of another preamble, with the same salt.
SEALED_AS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "sealed-with-other-context": (
        "the associated data of the body has another context",
        {"context": OTHER},
    ),
    "sealed-as-frames": (
        "the associated data of the body has another body type",
        {"body_type": 2},
    ),
}


def cases() -> Iterator[Vector]:
    for name, (comment, parts) in READ.items():
        yield build(name, comment, **parts)
    for name, (comment, parts) in REJECTED.items():
        yield failure(name, comment, **parts)
    yield failure("body-type-3", "body type 3, and frames", CLOSE, body_type=3)
    for name, (comment, parts) in SEALED_AS.items():
        yield failure(name, comment, sealed_as=_file(name, **parts))
    name = "commitment-of-other-context"
    yield failure(
        name,
        "the commitment is that of the same file with another context",
        commitment=_file(name, context=OTHER).derived()[32:],
    )


def _file(name: str, **parts: Any) -> File:
    return File(salt=fixed(f"salt of {name}"), pieces=[], **parts)
