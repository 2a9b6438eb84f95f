"""Declarations of blind indexes, and the columns that store their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import getattr_static
from typing import Any

from sqlalchemy.orm import mapped_column

from app_integration import default_client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes, NormaliserSpec
from app_integration.integrations.sqlalchemy.columns import IndexType


@dataclass(frozen=True, slots=True)
class Index:
    """Declaration of a blind index, with the arguments of ``BlindIndexes.index``.

    Attributes:
        rows: The number of rows expected in the table, rather too low than too high.
        distinct: The number of different values, or None if each row has its own.
        normalise: ``exact``, ``casefold``, ``email``, ``digits``, or a function from text to text;
            for a compound index a sequence with one for each value.
        low_entropy: Whether to allow an index with few different values, which reveals about how
            often each value occurs.
        column: The name of the column of index values; by default that of the attribute with the
            suffix ``_index``.

    """

    rows: int
    distinct: int | None = None
    normalise: NormaliserSpec = "exact"
    low_entropy: bool = False
    column: str | None = None

    def declare(self, name: str, indexes: BlindIndexes) -> BlindIndex:
        """Return the blind index *name* of *indexes*; declare it unless it is declared already."""
        return indexes.find(name) or indexes.index(
            name,
            rows=self.rows,
            distinct=self.distinct,
            normalise=self.normalise,
            low_entropy=self.low_entropy,
        )


class IndexColumn:
    """Column of a mapped class that stores the values of a blind index."""

    def __init__(self, name: str, spec: Index, column: str, of: Sequence[str]) -> None:
        self.name = name
        self.spec = spec
        self.column = column
        self.of = tuple(of)

    @property
    def blind_index(self) -> BlindIndex:
        """Return the blind index, with the keys of the default client."""
        return self.spec.declare(self.name, default_client.get_default_client().indexes)

    def add_to(self, owner: type) -> None:
        """Add the mapped column to the class *owner*, unless it has the attribute."""
        if not hasattr(owner, self.column):
            name = self.spec.column or self.column
            column = mapped_column(name, IndexType, nullable=True, index=True)
            setattr(owner, self.column, column)

    def indexed_values(self, row: Any) -> tuple[object, ...]:
        """Return the values of the indexed attributes of *row*."""
        return tuple(getattr(row, name) for name in self.of)

    def check_values(self, owner: type, values: Sequence[Any]) -> None:
        """Check the values of a search, as an assignment to the attributes does."""
        found = _find_declared(owner, self.of)
        for declared, value in zip(found, values, strict=False):  # the index checks the number
            if declared is not None and value is not None:
                declared(owner).encode_value(value)

    def compute(self, row: Any) -> bytes | None:
        """Return the index value of the current values of *row*."""
        return self.blind_index.value(*self.indexed_values(row))

    def is_current(self, row: Any) -> bool:
        """Return whether *row* has its index value, under the key version for new values."""
        stored = getattr(row, self.column)
        if stored is None:
            return None in self.indexed_values(row)
        return self.blind_index.is_current(stored)


@lru_cache(maxsize=64)
def _find_declared(owner: type, names: Sequence[str]) -> list[Any]:
    """Return the method ``declared_field`` of each attribute of *owner*, None for a plain one."""
    found = (getattr_static(owner, name, None) for name in names)
    return [getattr(each, "declared_field", None) for each in found]
