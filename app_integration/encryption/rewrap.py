"""Rewrapping of tokens and data keys after the key service rotated its key.

The service rewraps the data keys; neither they nor any plaintext reach this process. For keyring
tokens only rows of the store change. A self-contained token of version 3 gets another wrapped key
beside the same ciphertext. A token of version 2 authenticates its wrapped key, so it must be
re-encrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from app_integration.encryption import branch_ciphertext
from app_integration.encryption.batch import Batch
from app_integration.encryption.core import CipherCore
from app_integration.encryption.keys.data_key import MAX_WRAPPED, SIZE
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.keys.wrapped_data_key import WrapScope
from app_integration.encryption.parsed_token import Token
from app_integration.encryption.tokens import envelope, keyring_token
from app_integration.encryption.tokens.envelope import Envelope
from app_integration.errors import (
    DecryptionFailed,
    EncryptionError,
    KeyUnavailable,
    raise_decryption_failed,
)

_NEWEST_VERSION_TTL: Final = 60.0  # seconds that the newest version is cached
_PART: Final = 249  # stored keys that are rewrapped before they are written


class RewrapAction(StrEnum):
    """Action that a token needs; falsy if it needs none."""

    NOTHING = ""
    REWRAP = "rewrap"
    REENCRYPT = "reencrypt"


class Rewrapper:
    """Rewrapping of one cipher's tokens and data keys under the newest wrapping key version."""

    def __init__(self, cipher: CipherCore) -> None:
        self._cipher = cipher
        self._keyring = cipher.keyring
        self._newest_version: tuple[int, float] | None = None

    def get_newest_version(self) -> int:
        """Return the key version that the service wraps with, cached for a minute.

        It wraps a random key to find out, because that requires no permission besides the one to
        encrypt.
        """
        now = self._cipher.clock()
        if self._newest_version is None or now >= self._newest_version[1]:
            (wrapped,) = self._keyring.service.wrap(
                [self._cipher.random(SIZE)], self._keyring.scope.bound
            )
            self._newest_version = (
                self._keyring.service.version(wrapped),
                now + _NEWEST_VERSION_TTL,
            )
        return self._newest_version[0]

    def find_action(self, token: Token) -> RewrapAction:
        """Return the action that *token* needs."""
        if not isinstance(token, str):
            rows = self._keyring.store.get([keyring_token.parse(bytes(token)).number])
            if not rows:
                raise_decryption_failed()
            wrapped = rows[0].wrapped
            if branch_ciphertext.is_marked(wrapped):
                return RewrapAction.NOTHING  # rewrap_data_keys rewraps its branch key
        else:
            parts = envelope.parse(token)
            if parts.version != envelope.VERSION:
                return RewrapAction.REENCRYPT
            wrapped = parts.wrapped
        is_newest = self._keyring.service.version(wrapped) == self.get_newest_version()
        return RewrapAction.NOTHING if is_newest else RewrapAction.REWRAP

    def rewrap(self, tokens: Sequence[Token | None]) -> Batch[Token]:
        """Rewrap the data keys of *tokens* under the newest version.

        Keyring tokens are returned unchanged.
        """
        results: list[Token | None] = list(tokens)
        found = {
            at: _parse_or_none(token) for at, token in enumerate(tokens) if isinstance(token, str)
        }
        wanted = {parts.wrapped: None for parts in found.values() if parts is not None}
        service, scope = self._keyring.service, self._keyring.scope.bound
        new = dict(zip(wanted, service.rewrap(list(wanted), scope), strict=True)) if wanted else {}
        for at, parts in found.items():
            wrapped = None if parts is None else new[parts.wrapped]
            results[at] = parts.with_wrapped_key(wrapped) if parts is not None and wrapped else None
        failed = [at for at, token in enumerate(tokens) if token is not None and not results[at]]
        return Batch(results, tuple(failed), "rewrapping tokens")

    def _find_newest_version(self, rows: Sequence[WrappedKey], scope: WrapScope) -> int:
        """Return the key version that the service rewraps to, or 0 if it can rewrap none of *rows*.

        It rewraps a row to find out, because an identity that may rewrap need not be allowed to
        wrap.
        """
        ring = self._keyring
        for row in rows:
            (wrapped,) = ring.service.rewrap([row.wrapped], scope.bound)
            if wrapped is not None:
                return ring.service.version(wrapped)
        return 0

    def rewrap_data_keys(self) -> int:
        """Rewrap this scope's stored keys whose key version is outdated; return their number.

        Those are data keys and branch keys. A data key under a branch key stays as it is. It needs
        permission to rewrap, and to read and update the store. It may be interrupted and repeated
        while other processes use the store. If keys cannot be rewrapped, it raises KeyUnavailable
        after all others.
        """
        done = [self._rewrap_scope(scope) for scope in self._keyring.scopes]
        bad = [number for _, numbers in done for number in numbers]
        if bad:
            raise KeyUnavailable(
                f"the key service cannot rewrap the data keys {bad[:20]}; check their rows"
            )
        return sum(count for count, _ in done)

    def _rewrap_scope(self, scope: WrapScope) -> tuple[int, list[int]]:
        """Return how many keys were outdated, and the numbers of those that stay so."""
        ring = self._keyring
        stored = [
            row
            for row in ring.store.list_by_scope(scope.text)
            if not branch_ciphertext.is_marked(row.wrapped)
        ]
        newest = self._find_newest_version(stored, scope)
        # The version is read from the wrapped key, because the column beside it is a mere copy that
        # others could have changed. It is compared for equality, because the order of KMS keys is
        # that of a list, which an operator may have written the other way round.
        rows = [row for row in stored if ring.service.version(row.wrapped) != newest]
        bad: list[int] = []
        # In parts, so that an interruption loses little.
        for start in range(0, len(rows), _PART):
            part = rows[start : start + _PART]
            new = ring.service.rewrap([row.wrapped for row in part], scope.bound)
            bad += self._replace(part, new)
        return len(rows), bad

    def move_data_keys(self, *, under_branch: bool) -> int:
        """Wrap the stored data keys by branch keys, or by the key service; return their number.

        It needs permission to encrypt and to decrypt. It may be interrupted and repeated.
        """
        ring = self._keyring
        wrap_keys = ring.branches.wrap if ring.branches and under_branch else ring.wrap_directly
        rows = [
            row
            for row in ring.store.list_by_scope(ring.scope.text)
            if branch_ciphertext.is_marked(row.wrapped) is not under_branch
        ]
        bad: list[int] = []
        for start in range(0, len(rows), _PART):
            part = rows[start : start + _PART]
            keys = [each.key for each in ring.unwrap([row.wrapped for row in part])]
            new = iter(wrap_keys([key for key in keys if key is not None]))
            bad += self._replace(part, [None if key is None else next(new) for key in keys])
        if bad:
            raise KeyUnavailable(f"the data keys {bad[:20]} cannot be unwrapped; check their rows")
        return len(rows)

    def _replace(self, rows: Sequence[WrappedKey], new: Sequence[bytes | None]) -> list[int]:
        """Store the *new* wrapped keys of *rows*; return the numbers of those that have none."""
        ring = self._keyring
        bad = []
        for row, wrapped in zip(rows, new, strict=True):
            if wrapped is None or len(wrapped) > MAX_WRAPPED:
                bad.append(row.number)
            else:
                ring.store.rewrap(row, wrapped, ring.service.version(wrapped))
        return bad


def _parse_or_none(token: str) -> Envelope | None:
    """Return the parts of *token*, or None if it is malformed; an error if it is of version 2."""
    try:
        parts = envelope.parse(token)
    except DecryptionFailed:
        return None
    if parts.version != envelope.VERSION:
        raise EncryptionError("cannot rewrap a token of version 2; use reencrypt")
    return parts
