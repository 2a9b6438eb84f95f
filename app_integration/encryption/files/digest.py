"""Digest of an encrypted file, which stays the same when its recipients are replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BufferedIOBase, RawIOBase
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import open_input
from app_integration.encryption.files import header, preamble
from app_integration.encryption.files.streams import report_nothing

_CHUNK: Final = 1024 * 1024


def digest_file(path: Path, advance: Callable[[int], None] = report_nothing) -> str:
    """Return the SHA-256 of the preamble and the body of the file, in hexadecimal."""
    with open_input(path) as file:
        return digest_open_file(file, advance)


def digest_open_file(
    file: BufferedIOBase | RawIOBase, advance: Callable[[int], None] = report_nothing
) -> str:
    """Return the digest of a regular file that is open at its start. See :func:`digest_file`."""
    digest = hashlib.sha256()
    start = file.read(header.SIZE) or b""
    digest.update(start[: preamble.SIZE])
    advance(len(start))
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        advance(len(chunk))
    return digest.hexdigest()
