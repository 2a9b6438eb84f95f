"""Keyed hash that computes index values with one version of an index's key."""

from __future__ import annotations

import hashlib
from typing import Final

from app_integration.encryption.blind_index.stores import IndexKey

SIZE: Final = 32  # bytes of an index key
MAX_BITS: Final = 32  # bits of the hash; more would separate every value of a table of any size


class VersionKey:
    """One version of an index's key, unwrapped. *writes_from* is in seconds since the epoch."""

    __slots__ = ("_inner", "_last", "_mask", "_outer", "_prefix", "version", "writes_from")

    def __init__(self, row: IndexKey, key: bytes, label: bytes) -> None:
        """Prepare the keyed hash."""
        self.version = row.version
        self.writes_from = row.writes_from.timestamp()
        self._prefix = bytes((row.version,))
        self._last = (row.bits - 1) // 8
        self._mask = bytes((byte & 0xFF << -row.bits % 8 & 0xFF) for byte in range(256))
        # HMAC-SHA256 (RFC 2104) in its two halves, each copied for every value and never updated,
        # because hmac.copy takes half as long again.
        self._inner = hashlib.sha256(_pad_key(key, 0x36) + label)
        self._outer = hashlib.sha256(_pad_key(key, 0x5C))

    def value(self, message: bytes) -> bytes:
        """Return the index value of *message*: the version and the first bits of its keyed hash."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        digest = outer.digest()
        last = self._last
        return self._prefix + digest[:last] + digest[last : last + 1].translate(self._mask)


def _pad_key(key: bytes, byte: int) -> bytes:
    return bytes(each ^ byte for each in key.ljust(hashlib.sha256().block_size, b"\0"))
