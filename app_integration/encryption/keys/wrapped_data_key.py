"""A wrapped data key, with what its unwrapped form is verified against, and its row in a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from app_integration.encryption.keys.data_key import MAX_WRAPPED, SIZE, DataKey
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.errors import KeyUnavailable


@dataclass(frozen=True, slots=True)
class WrapScope:
    """Scope of data keys: *bound* to each wrapped key, and as *text* for the store's rows."""

    bound: bytes
    text: str

    def has(self, row: WrappedKey) -> bool:
        """Return whether *row* is of this scope, with a wrapped key of a possible length."""
        return row.scope == self.text and 0 < len(row.wrapped) <= MAX_WRAPPED


class WrappedDataKey(NamedTuple):
    """A wrapped key with everything that its unwrapped form is verified against."""

    wrapped: bytes
    commitment: bytes
    purpose: bytes
    number: int = 0

    def verify(self, key: bytes | None) -> DataKey | None:
        """Return the data key for the unwrapped *key*, or None unless it matches the commitment."""
        if key is None or len(key) != SIZE:
            return None
        data_key = DataKey(key, self.wrapped, self.purpose, self.number)
        return data_key if data_key.commits_to(self.commitment) else None


def wrap(service: KeyService, keys: Sequence[bytes], scope: WrapScope) -> list[bytes]:
    """Return *keys*, wrapped by *service*."""
    wrapped = service.wrap(keys, scope.bound)
    for each in wrapped:
        if not 0 < len(each) <= MAX_WRAPPED:
            raise KeyUnavailable(
                f"the key service returned a wrapped key of {len(each)} bytes; "
                f"correct its wrap, which must return 1 to {MAX_WRAPPED}"
            )
    return wrapped


def to_row(key: DataKey, scope: WrapScope, version: int) -> WrappedKey:
    """Return the row of *key*, which is new."""
    return WrappedKey(
        number=key.number,
        scope=scope.text,
        wrapped=key.wrapped,
        commitment=key.commitment,
        created=datetime.now(UTC),
        version=version,
    )
