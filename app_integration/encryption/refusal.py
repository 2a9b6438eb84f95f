"""The one error in which every failed decryption ends."""

from __future__ import annotations

from typing import NoReturn

from app_integration.errors import DecryptionFailed


def refuse() -> NoReturn:
    """Say that a token didn't open, and nothing else: not which check failed, nor why.

    Raises:
        DecryptionFailed: always.
    """
    raise DecryptionFailed("the token isn't authentic for this key and context") from None
