"""All vectors of the encrypted file format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.support.file_vectors import chunk_cases, frame_cases, header_cases, recipient_cases
from tests.support.file_vectors.vector import Vector


def vectors() -> Iterator[Vector]:
    """Return every vector, in the order of the parts of a file."""
    for module in (header_cases, recipient_cases, chunk_cases, frame_cases):
        yield from module.cases()


def write_missing(folder: Path) -> list[str]:
    """Write the vectors that *folder* does not contain, and return their names."""
    folder.mkdir(exist_ok=True)
    missing = [each for each in vectors() if not (folder / each.name).exists()]
    for each in missing:
        (folder / each.name).write_bytes(each.encode())
    return [each.name for each in missing]
