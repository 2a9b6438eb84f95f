"""After the key service's key was rotated: what is behind, and how it catches up.

Data keys are wrapped anew by the service; neither they nor any plaintext come here. In a keyring
only rows of the store change. A self-contained token of version 3 gets another wrapped key beside
the same ciphertext. One of version 2 authenticates its wrapped key, so it has to be re-encrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from app_integration.encryption.batch import Batch
from app_integration.encryption.core import CipherCore, Token
from app_integration.encryption.keys.data_key import MAX_WRAPPED, SIZE
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.tokens import envelope, keyring_token
from app_integration.encryption.tokens.envelope import Envelope
from app_integration.errors import (
    DecryptionFailed,
    EncryptionError,
    KeyUnavailable,
    raise_decryption_failed,
)

_FRESH: Final = 60.0  # seconds that the newest version is taken for the newest


class Due(StrEnum):
    """What a token needs; false when nothing."""

    NOTHING = ""
    REWRAP = "rewrap"
    REENCRYPT = "reencrypt"


class Rewrapper:
    """Brings the tokens of one cipher onto the newest version of the key that wraps."""

    def __init__(self, cipher: CipherCore) -> None:
        self._cipher = cipher
        self._ring = cipher.keyring
        self._newest: tuple[int, float] | None = None

    def newest(self) -> int:
        """The version that wraps now, asked at most once a minute.

        It is seen by wrapping something: so it takes no right beside that of encrypting.
        """
        now = self._cipher.clock()
        if self._newest is None or now >= self._newest[1]:
            (wrapped,) = self._ring.service.wrap(
                [self._cipher.random(SIZE)], self._ring.scope.bound
            )
            self._newest = (self._ring.service.version(wrapped), now + _FRESH)
        return self._newest[0]

    def due(self, token: Token) -> Due:
        """What *token* needs."""
        if not isinstance(token, str):
            rows = self._ring.store.get([keyring_token.parse(bytes(token)).number])
            if not rows:
                raise_decryption_failed()
            wrapped = rows[0].wrapped
        else:
            parts = envelope.parse(token)
            if parts.version != envelope.VERSION:
                return Due.REENCRYPT
            wrapped = parts.wrapped
        behind = self._ring.service.version(wrapped) < self.newest()
        return Due.REWRAP if behind else Due.NOTHING

    def rewrap(self, tokens: Sequence[Token | None]) -> Batch[Token]:
        """The tokens with their data keys under the newest version; keyring tokens as they are."""
        results: list[Token | None] = list(tokens)
        found = {at: _parsed(token) for at, token in enumerate(tokens) if isinstance(token, str)}
        wanted = {parts.wrapped: None for parts in found.values() if parts is not None}
        service, scope = self._ring.service, self._ring.scope.bound
        new = dict(zip(wanted, service.rewrap(list(wanted), scope), strict=True)) if wanted else {}
        for at, parts in found.items():
            wrapped = None if parts is None else new[parts.wrapped]
            results[at] = parts.rewrapped(wrapped) if parts is not None and wrapped else None
        failed = [at for at, token in enumerate(tokens) if token is not None and not results[at]]
        return Batch(results, tuple(failed), "rewrapping tokens")

    def _newest_of(self, rows: Sequence[WrappedKey]) -> int:
        """The version that rewraps now: seen by rewrapping a row, as who rewraps may not wrap."""
        ring = self._ring
        for row in rows:
            (wrapped,) = ring.service.rewrap([row.wrapped], ring.scope.bound)
            if wrapped is not None:
                return ring.service.version(wrapped)
        return 0

    def rewrap_data_keys(self) -> int:
        """Wrap the store's keys of this scope anew that are behind; how many there were.

        It takes the rights to rewrap, and to read and update the store; none to wrap or unwrap.

        It may be stopped at any point and done again, and others may read and write meanwhile.

        Raises:
            KeyUnavailable: the service or the store is away, or can't rewrap one of the keys; the
                others have been.

        """
        ring = self._ring
        stored = ring.store.of_scope(ring.scope.text)
        newest = self._newest_of(stored)
        # By the wrapped key's own word: the column beside it is a copy, which anybody may change.
        rows = [row for row in stored if ring.service.version(row.wrapped) < newest]
        new = ring.service.rewrap([row.wrapped for row in rows], ring.scope.bound)
        bad = []
        for row, wrapped in zip(rows, new, strict=True):
            if wrapped is None or len(wrapped) > MAX_WRAPPED:
                bad.append(row.number)
            else:
                ring.store.rewrap(row, wrapped, ring.service.version(wrapped))
        if bad:
            raise KeyUnavailable(f"data keys that the service doesn't rewrap: {bad[:20]}")
        return len(rows)


def _parsed(token: str) -> Envelope | None:
    """Its parts; None when it is no token.

    Raises:
        EncryptionError: a token of version 2.

    """
    try:
        parts = envelope.parse(token)
    except DecryptionFailed:
        return None
    if parts.version != envelope.VERSION:
        raise EncryptionError("a token of version 2 can't be rewrapped: use reencrypt")
    return parts
