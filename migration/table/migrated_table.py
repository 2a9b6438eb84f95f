"""A table whose columns are migrated, and the columns that take their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MigratedColumn:
    """A column that is migrated, and the column of the tokens that take its place.

    Attributes:
        plaintext: Name of the old column. It has plaintext, or tokens that are encrypted anew.
        token: Name of the column of new tokens.
        context: Columns to whose values each new token is bound, the primary key among them.
        old_context: Columns to whose values each old token is bound; None for plaintext.
        old_constants: Values to which each old token is bound after those.
        has_text: Whether the old column has its tokens as text, and not as bytes.

    """

    plaintext: str
    token: str
    context: tuple[str, ...]
    old_context: tuple[str, ...] | None = None
    old_constants: tuple[str | int | bool, ...] = ()
    has_text: bool = False

    @property
    def bound(self) -> tuple[str, ...]:
        """Return the columns that a change of which needs a new token."""
        return (self.plaintext, *self.context)


@dataclass(frozen=True, slots=True)
class IndexedColumns:
    """A blind index and the old columns whose values it covers.

    Attributes:
        column: Name of the column of index values.
        of: Names of the old columns.

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
        old_indexes: The blind indexes of old tokens, which end with them.
        old_values: What the old columns have, for messages: ``plaintext`` or ``old tokens``.

    """

    schema: str
    name: str
    key: tuple[str, ...]
    columns: tuple[MigratedColumn, ...]
    indexes: tuple[IndexedColumns, ...] = ()
    inexact: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()
    old_indexes: tuple[IndexedColumns, ...] = ()
    old_values: str = "plaintext"

    @property
    def plaintexts(self) -> tuple[str, ...]:
        """Return the columns that are migrated: of plaintext, or of old tokens."""
        return tuple(each.plaintext for each in self.columns)

    @property
    def old_columns(self) -> tuple[str, ...]:
        """Return the columns that are dropped: those that are migrated, and their old indexes."""
        return (*self.plaintexts, *(each.column for each in self.old_indexes))

    @property
    def has_old_tokens(self) -> bool:
        """Return whether a column is migrated that has tokens."""
        return any(each.old_context is not None for each in self.columns)

    @property
    def written(self) -> tuple[str, ...]:
        """Return the columns of tokens and index values."""
        tokens = (each.token for each in self.columns)
        return (*tokens, *(each.column for each in self.indexes))

    @property
    def read(self) -> tuple[str, ...]:
        """Return all columns that a migration reads, each once, the key first."""
        context = (
            name for each in self.columns for name in (*each.context, *(each.old_context or ()))
        )
        return tuple(dict.fromkeys((*self.key, *context, *self.old_columns, *self.written)))

    def describe_row(self, key: Sequence[str]) -> str:
        """Return the name of the row that has *key*, for messages."""
        return f"{self.schema}.{self.name}, row {', '.join(key)}"

    def indexes_of(self, column: MigratedColumn) -> tuple[IndexedColumns, ...]:
        """Return the blind indexes that cover *column*."""
        return tuple(each for each in self.indexes if column.plaintext in each.of)
