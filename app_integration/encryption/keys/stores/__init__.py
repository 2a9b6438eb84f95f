"""Storage for the wrapped data keys of keyring tokens: the protocol, and one module per backend.

A token names its data key by a number; the row with that number contains the key, wrapped by the
key service. The rows alone reveal no key. If a row is lost, its tokens cannot be decrypted any
more. So keep the rows where the tokens are, and in the same backup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

MAX_NUMBER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One row of a store.

    Attributes:
        number: The data key's id in tokens, 1 to :data:`MAX_NUMBER`. It is used for one key only.
        scope: The scope that the key belongs to: ``service/environment/key name``.
        wrapped: The wrapped key, as the key service returned it, at most 1024 bytes.
        commitment: The key's commitment, 32 bytes, public.
        created: The time at which the key was generated, with an offset.
        version: The version of the key service's own key that wrapped it. This is a copy for
            people: the SDK decides nothing by it, because *wrapped* contains the version too.

    """

    number: int
    scope: str
    wrapped: bytes = field(repr=False)
    commitment: bytes = field(repr=False)
    created: datetime
    version: int


@runtime_checkable
class DataKeyStore(Protocol):
    """Storage for :class:`WrappedKey` rows. Thread-safe; its errors are ``KeyUnavailable``."""

    def add(self, key: WrappedKey) -> bool:
        """Store *key* durably; return False, and store nothing, if its number is taken."""
        ...

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """Return the rows with *numbers*, in any order; numbers without a row are left out."""
        ...

    def list_by_scope(self, scope: str) -> list[WrappedKey]:
        """Return the rows of *scope*, in any order."""
        ...

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Replace the wrapped key of a row, unless the row differs from *key* by now.

        Args:
            key: The row as it was read.
            wrapped: The new wrapped key.
            version: The version of the key service's key that wrapped it.

        Returns:
            Whether the row was replaced.

        """
        ...
