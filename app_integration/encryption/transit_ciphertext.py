"""Transit ciphertexts: ``vault:v<key version>:<base64>``, and a shorter binary form."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from app_integration.errors import EncryptionError

MAX_LENGTH: Final = 12 * 2**20  # characters
_SHAPE: Final = re.compile(r"vault:v([1-9][0-9]{0,9}):([A-Za-z0-9+/]+={0,2})", re.ASCII)
_VERSION: Final = 4  # bytes


def compact(ciphertext: str) -> bytes:
    """Return a ciphertext ``vault:v<version>:<base64>`` as the bytes ``version u32 | raw``."""
    shape = _SHAPE.fullmatch(ciphertext)
    if shape is None or int(shape[1]) >= 2 ** (8 * _VERSION):
        raise EncryptionError(
            "cannot read the ciphertext: it is not of the form vault:v<version>:<base64>; pass the "
            "server's ciphertext unchanged"
        )
    try:
        raw = base64.b64decode(shape[2], validate=True)
    except binascii.Error:
        raise EncryptionError(
            "cannot read the ciphertext: its base64 is invalid; pass the server's ciphertext "
            "unchanged"
        ) from None
    if to_text(raw) != shape[2]:
        raise EncryptionError(
            "cannot read the ciphertext: its base64 is not in the server's form; pass the server's "
            "ciphertext unchanged"
        )
    return int(shape[1]).to_bytes(_VERSION, "big") + raw


def version(wrapped: bytes) -> int:
    """Return the version of the key that made the ciphertext that :func:`compact` shortened."""
    return int.from_bytes(wrapped[:_VERSION], "big")


def expand(wrapped: bytes) -> str | None:
    """Return the ciphertext that :func:`compact` shortened, or None if there is none."""
    number = version(wrapped)
    if len(wrapped) <= _VERSION or number == 0:
        return None
    return f"vault:v{number}:{to_text(wrapped[_VERSION:])}"


def is_canonical(ciphertext: object) -> bool:
    """Return whether *ciphertext* is exactly in the server's form.

    Transit itself is more lenient: it ignores line ends and leading zeros.
    """
    if not isinstance(ciphertext, str) or len(ciphertext) > MAX_LENGTH:
        return False
    try:
        compact(ciphertext)
    except EncryptionError:
        return False
    return True


def to_text(raw: bytes) -> str:
    """Return *raw* as the server's base64."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")
