"""Add the vectors of the encrypted file format that are missing."""

from __future__ import annotations

from tests.support.file_vectors.catalogue import write_missing
from tests.support.file_vectors.vector import FOLDER

for name in write_missing(FOLDER):
    print(name)  # noqa: T201 - a command
