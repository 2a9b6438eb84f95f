"""The first chunk or frame of a body, which proves the preamble."""

from __future__ import annotations

from typing import Final

from app_integration.encryption.files.body import TAG_SIZE, BodyCipher
from app_integration.encryption.files.chunks import SEALED_SIZE
from app_integration.encryption.files.preamble import Body
from app_integration.encryption.files.streams import Source, fill, new_buffer
from app_integration.errors import raise_decryption_failed

_LENGTH_SIZE: Final = 4  # bytes
_MAX_FRAME: Final = 2**20 + TAG_SIZE  # bytes


def verify_first_part(cipher: BodyCipher, body: Body, source: Source) -> None:
    """Check that the preamble is that with which the body was written.

    The commitment alone does not prove it, because it does not cover the context.

    Args:
        cipher: The cipher of the body.
        body: The type of the body.
        source: The file, at the start of the body.

    Raises:
        DecryptionFailed: If there is no part, or it is not authentic.

    """
    if body is Body.CHUNKS:
        buffer = new_buffer(SEALED_SIZE + 1)
        filled = fill(source, buffer)
        cipher.open(0, buffer[: min(filled, SEALED_SIZE)], last=filled <= SEALED_SIZE)
        return
    buffer = new_buffer(_LENGTH_SIZE)
    size = int.from_bytes(buffer[: fill(source, buffer)], "big")
    if not TAG_SIZE <= size <= _MAX_FRAME:
        raise_decryption_failed("file")
    sealed = new_buffer(size)
    cipher.open(0, sealed[: fill(source, sealed)], last=size == TAG_SIZE)
