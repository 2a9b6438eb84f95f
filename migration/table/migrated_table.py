"""A table whose columns are migrated, and the columns that take their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg.sql import Identifier

#: Type of the columns of tokens, index values and hashes.
_BYTES: Final = "bytea"


@dataclass(frozen=True, slots=True)
class DecryptedColumn:
    """What a column of plaintext has beside its name that takes the place of tokens."""

    type: LiteralString
    token_hash: str


@dataclass(frozen=True, slots=True)
class MigratedColumn:
    """A column that is migrated, and the column of the tokens that take its place.

    *context* and *old_context* are columns to whose values each token is bound; the latter is None
    for plaintext. *decrypted* is None if the new column gets tokens.
    """

    old: str
    new: str
    context: tuple[str, ...]
    old_context: tuple[str, ...] | None = None
    old_constants: tuple[str | int | bool, ...] = ()
    has_text: bool = False
    decrypted: DecryptedColumn | None = None

    @property
    def base_type(self) -> LiteralString:
        """Return the type of the new column without its length: ``varchar``."""
        return _BYTES if self.decrypted is None else self.decrypted.type.partition("(")[0].strip()

    @property
    def bound(self) -> tuple[str, ...]:
        """Return the columns whose change requires a new token."""
        return (self.old, *self.context)


@dataclass(frozen=True, slots=True)
class IndexedColumn:
    """A blind index, and the old column whose values it covers."""

    column: str
    of: str


@dataclass(frozen=True, slots=True)
class MigratedTable:
    """A table of PostgreSQL in the course of a migration.

    *inexact* columns are those whose type or collation calls different bytes equal, or cannot
    compare them.
    """

    schema: str
    name: str
    key: tuple[str, ...]
    columns: tuple[MigratedColumn, ...]
    indexes: tuple[IndexedColumn, ...] = ()
    inexact: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()
    old_indexes: tuple[IndexedColumn, ...] = ()
    old_values: str = "plaintext"
    new_values: str = "new tokens"
    new_value: str = "new token"

    @property
    def identifier(self) -> Identifier:
        """Return its name and schema, for statements."""
        return Identifier(self.schema, self.name)

    @property
    def migrated(self) -> tuple[str, ...]:
        """Return the columns that are migrated: of plaintext, or of old tokens."""
        return tuple(each.old for each in self.columns)

    @property
    def old_columns(self) -> tuple[str, ...]:
        """Return the columns that are dropped: those that are migrated, and their old indexes."""
        return (*self.migrated, *(each.column for each in self.old_indexes))

    @property
    def has_old_tokens(self) -> bool:
        """Return whether a column is migrated that has tokens."""
        return any(each.old_context is not None for each in self.columns)

    @property
    def is_decrypted(self) -> bool:
        """Return whether tokens become plaintext, in all of the columns."""
        return any(each.decrypted is not None for each in self.columns)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Return the columns of hashes of tokens, which only the guard writes."""
        decrypted = (each.decrypted for each in self.columns)
        return tuple(each.token_hash for each in decrypted if each is not None)

    @property
    def added(self) -> dict[str, LiteralString]:
        """Return the columns that the migration adds, with their types."""
        types = {
            each.new: each.decrypted.type for each in self.columns if each.decrypted is not None
        }
        return {name: types.get(name, _BYTES) for name in (*self.written, *self.hashes)}

    @property
    def written(self) -> tuple[str, ...]:
        """Return the columns of tokens, or of plaintext, and of index values."""
        tokens = (each.new for each in self.columns)
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

    def name_cells(self, column: MigratedColumn, keys: Iterable[Sequence[str]]) -> Iterator[str]:
        """Yield the name of the old *column* in each row that has one of *keys*, for messages."""
        for key in keys:
            yield f"{self.describe_row(key)}, column {column.old}"
