"""Storage for the wrapped keys of blind indexes: the protocol, and one module per backend.

The rows of one index belong together. Each wrapped key is bound to the contents of its row and to
the versions of all rows, so the rows are replaced together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

MAX_VERSION: Final = 255


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One row of a store: a version of the key of one index.

    Attributes:
        scope: The scope that the key belongs to: ``service/environment``.
        index: The index's stable id, such as ``users.email``.
        version: 1 to :data:`MAX_VERSION`; the first byte of each index value made under it.
        bits: The number of bits of the keyed hash that index values contain.
        wrapped: The wrapped key, as the key service returned it.
        writes_from: The time, with an offset, from which new index values use this version. Before
            then it is used for lookups only, so that every process knows it before one writes with
            it.

    """

    scope: str
    index: str
    version: int
    bits: int
    wrapped: bytes = field(repr=False)
    writes_from: datetime


@runtime_checkable
class IndexKeyStore(Protocol):
    """Storage for :class:`IndexKey` rows. Thread-safe; its errors are ``KeyUnavailable``."""

    @property
    def place(self) -> str:
        """Return the name of the store for messages, such as ``the table index_keys``."""
        ...

    def versions(self, scope: str, index: str) -> list[IndexKey]:
        """Return the rows of one index, the oldest version first."""
        ...

    def replace(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> bool:
        """Replace all rows of an index, durably and in one step.

        Args:
            before: The rows as they were read.
            after: The rows to store instead.

        Returns:
            Whether the rows were replaced. If they differ from *before* by now, nothing changes.

        """
        ...
