"""Blind indexes beside encrypted columns, as a mapped class declares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import mapped_column

from app_integration import default_client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes, Normalise
from app_integration.integrations.sqlalchemy.columns import IndexType


@dataclass(frozen=True, slots=True)
class Index:
    """The index of one encrypted column: the arguments of ``BlindIndexes.index``."""

    rows: int
    distinct: int | None = None
    normalise: Normalise = "exact"
    low_entropy: bool = False

    def declare(self, name: str, indexes: BlindIndexes) -> BlindIndex:
        """The blind index under *name*; the one that is there when it is declared already."""
        return indexes.find(name) or indexes.index(
            name,
            rows=self.rows,
            distinct=self.distinct,
            normalise=self.normalise,
            low_entropy=self.low_entropy,
        )


class Indexed:
    """A blind index over attributes of a mapped class, and the column that keeps its values.

    Attributes:
        name: the index's id.
        column: the mapped attribute that keeps its values.
        of: the attributes that it is over, encrypted or not.

    """

    def __init__(self, name: str, spec: Index, column: str, of: Sequence[str]) -> None:
        self.name = name
        self.spec = spec
        self.column = column
        self.of = tuple(of)

    @property
    def blind(self) -> BlindIndex:
        """The index, under the keys of the process's client."""
        return self.spec.declare(self.name, default_client.get_default_client().indexes)

    def map(self, owner: type) -> None:
        """Give the class *owner* the column, unless it has one."""
        if not hasattr(owner, self.column):
            column = mapped_column(self.column, IndexType, nullable=True, index=True)
            setattr(owner, self.column, column)

    def given(self, row: Any) -> tuple[object, ...]:
        """The values of *row* that the index is over."""
        return tuple(getattr(row, name) for name in self.of)

    def update(self, row: Any) -> None:
        """Keep the column of *row* in step."""
        value = self.blind.value(*self.given(row))
        if getattr(row, self.column) != value:
            setattr(row, self.column, value)
