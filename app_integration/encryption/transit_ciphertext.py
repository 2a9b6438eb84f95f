"""Transit's ciphertexts: ``vault:v<key version>:<base64>``, and the same in fewer bytes."""

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
    """``vault:v<version>:<base64>`` as ``version u32 | raw``.

    Raises:
        EncryptionError: another shape, or another spelling than the server's.

    """
    shape = _SHAPE.fullmatch(ciphertext)
    if shape is None or int(shape[1]) >= 2 ** (8 * _VERSION):
        raise EncryptionError(
            "a ciphertext of an unknown shape; expected vault:v<version>:<base64>"
        )
    try:
        raw = base64.b64decode(shape[2], validate=True)
    except binascii.Error:
        raise EncryptionError("a ciphertext whose base64 is broken") from None
    if _text(raw) != shape[2]:
        raise EncryptionError("a ciphertext in another spelling than the server's")
    return int(shape[1]).to_bytes(_VERSION, "big") + raw


def expand(wrapped: bytes) -> str | None:
    """The reverse of :func:`compact`; None when there is no such ciphertext."""
    version = int.from_bytes(wrapped[:_VERSION], "big")
    if len(wrapped) <= _VERSION or version == 0:
        return None
    return f"vault:v{version}:{_text(wrapped[_VERSION:])}"


def is_canonical(ciphertext: object) -> bool:
    """Whether it is in the server's own spelling: Transit itself ignores line ends and zeros."""
    if not isinstance(ciphertext, str) or len(ciphertext) > MAX_LENGTH:
        return False
    try:
        compact(ciphertext)
    except EncryptionError:
        return False
    return True


def _text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode("ascii")
