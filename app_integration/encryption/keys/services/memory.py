"""Data keys wrapped without a server, for development: the key that wraps them is no secret.

Each process derives the same key from its name, so that rows which one wrote are read by the next.
It protects nothing. A wrapped key looks like one of Transit, which rejects it as not authentic.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

log = logging.getLogger(__name__)

_VERSION: Final = (1).to_bytes(4, "big")
_NONCE: Final = 12  # bytes
_NO_SECRET: Final = b"strongroom: anybody can derive this key"


class MemoryKeyService:
    """A :class:`~app_integration.encryption.keys.services.KeyService` that needs no server."""

    def __init__(self, name: str) -> None:
        """Derive the key."""
        log.warning("SECRETS_BACKEND=memory: anybody can derive the key %s", name)
        derivation = HKDF(SHA256(), length=32, salt=None, info=name.encode())
        self._cipher = AESGCM(derivation.derive(_NO_SECRET))

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Wrap each data key."""
        return [self._wrap(key, scope) for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Unwrap each data key; return None for what this service did not wrap for *scope*."""
        return [self._unwrap(key, scope) for key in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Wrap each data key again; return None for what this service did not wrap for *scope*."""
        keys = self.unwrap(wrapped, scope)
        return [None if key is None else self._wrap(key, scope) for key in keys]

    def version(self, wrapped: bytes) -> int:
        """Return 1, the only version; 0 for what this service did not wrap."""
        return int(wrapped.startswith(_VERSION))

    def _wrap(self, data_key: bytes, scope: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, data_key, scope)

    def _unwrap(self, wrapped: bytes, scope: bytes) -> bytes | None:
        begin = len(_VERSION)
        nonce, ciphertext = wrapped[begin : begin + _NONCE], wrapped[begin + _NONCE :]
        if not self.version(wrapped) or len(nonce) < _NONCE:
            return None
        try:
            return self._cipher.decrypt(nonce, ciphertext, scope)
        except InvalidTag:
            return None
