"""A table whose plaintext columns are migrated, and the columns that take their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MigratedColumn:
    """A plaintext column and the column of its tokens.

    Attributes:
        plaintext: Name of the plaintext column.
        token: Name of the column of tokens.
        context: Columns to whose values each token is bound, the primary key among them.

    """

    plaintext: str
    token: str
    context: tuple[str, ...]

    @property
    def bound(self) -> tuple[str, ...]:
        """Return the columns that a change of which needs a new token."""
        return (self.plaintext, *self.context)


@dataclass(frozen=True, slots=True)
class IndexedColumns:
    """A blind index and the plaintext columns that it covers.

    Attributes:
        column: Name of the column of index values.
        of: Names of the plaintext columns.

    """

    column: str
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MigratedTable:
    """A table of PostgreSQL in the course of a migration.

    Attributes:
        schema: Its schema.
        name: Its name.
        key: Columns of its primary key, in order.
        columns: The columns that are migrated.
        indexes: Their blind indexes.
        inexact: Columns whose type or collation calls different bytes equal, or cannot compare
            them: ``citext``, ``numeric``, ``json``.
        times: Columns of the key that are dates or times.

    """

    schema: str
    name: str
    key: tuple[str, ...]
    columns: tuple[MigratedColumn, ...]
    indexes: tuple[IndexedColumns, ...] = ()
    inexact: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()

    @property
    def plaintexts(self) -> tuple[str, ...]:
        """Return the plaintext columns."""
        return tuple(each.plaintext for each in self.columns)

    @property
    def written(self) -> tuple[str, ...]:
        """Return the columns of tokens and index values."""
        tokens = (each.token for each in self.columns)
        return (*tokens, *(each.column for each in self.indexes))

    @property
    def read(self) -> tuple[str, ...]:
        """Return all columns that a migration reads, each once, the key first."""
        context = (name for each in self.columns for name in each.context)
        return tuple(dict.fromkeys((*self.key, *context, *self.plaintexts, *self.written)))

    def describe_row(self, key: Sequence[str]) -> str:
        """Return the name of the row that has *key*, for messages."""
        return f"{self.schema}.{self.name}, row {', '.join(key)}"

    def indexes_of(self, column: MigratedColumn) -> tuple[IndexedColumns, ...]:
        """Return the blind indexes that cover *column*."""
        return tuple(each for each in self.indexes if column.plaintext in each.of)
