"""A table as the database has it: its columns, key and what else a migration depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

#: Types whose equality is that of their bytes. Others, such as ``numeric``, call some different
#: bytes equal, or have no equality.
_EXACT_TYPES: Final = frozenset(
    {
        *("boolean", "smallint", "integer", "bigint", "bytea", "uuid", "text", "date"),
        *("timestamp without time zone", "timestamp with time zone", "time without time zone"),
    }
)
_VARCHAR: Final = "character varying"

_COLUMNS: Final[LiteralString] = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
        a.attnotnull AS is_required, a.attgenerated <> '' AS is_generated,
        coalesce(c.collisdeterministic, true) AS is_deterministic
    FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass
        AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
_KEY: Final[LiteralString] = """
    SELECT a.attname FROM pg_index i
    CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS part (attnum, position)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
    WHERE i.indrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND i.indisprimary
    ORDER BY part.position
"""


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column.

    Attributes:
        name: Its name.
        type: Its type, as PostgreSQL writes it: ``character varying(80)``.
        is_required: Whether it is NOT NULL.
        is_generated: Whether the database computes it.
        is_deterministic: Whether its collation calls only equal bytes equal.

    """

    name: str
    type: LiteralString
    is_required: bool
    is_generated: bool
    is_deterministic: bool

    @property
    def is_exact(self) -> bool:
        """Return whether ``=`` compares its bytes."""
        is_exact_type = self.type in _EXACT_TYPES or self.type.startswith(_VARCHAR)
        return is_exact_type and self.is_deterministic


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table.

    Attributes:
        columns: Its columns by name.
        key: The columns of its primary key, in order; none if it has none.

    """

    columns: dict[str, LiveColumn]
    key: tuple[str, ...]

    @property
    def inexact(self) -> frozenset[str]:
        """Return the columns that ``=`` does not compare by their bytes."""
        return frozenset(each.name for each in self.columns.values() if not each.is_exact)


def read(connection: Connection, schema: str, name: str) -> LiveTable:
    """Return the table *schema*.*name*.

    Raises:
        psycopg.errors.UndefinedTable: If there is none.
        psycopg.Error: If the server rejects a query.

    """
    with connection.cursor(row_factory=class_row(LiveColumn)) as cursor:
        columns = {each.name: each for each in cursor.execute(_COLUMNS, (schema, name))}
    key = tuple(column for (column,) in connection.execute(_KEY, (schema, name)))
    return LiveTable(columns, key)
