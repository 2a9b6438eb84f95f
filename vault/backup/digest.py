"""Digest of an encrypted file, which stays the same when its recipients are replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app_integration.encryption.files import header, preamble

_CHUNK: Final = 1024 * 1024


def digest_file(path: Path, advance: Callable[[int], None]) -> str:
    """Return the SHA-256 of the preamble and the body of the file, in hexadecimal.

    Args:
        path: The file.
        advance: Called with the number of bytes of each piece after it was read.

    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        start = file.read(header.SIZE)
        digest.update(start[: preamble.SIZE])
        advance(len(start))
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    return digest.hexdigest()
