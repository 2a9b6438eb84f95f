"""A table as the database has it: its columns, key, size and what else a migration depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString

from psycopg import Connection, IntegrityError
from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Composed, Identifier

#: Types whose equality is that of their bytes. Others, such as ``numeric``, call some different
#: bytes equal, or have no equality.
_EXACT_TYPES: Final = frozenset(
    {
        *("boolean", "smallint", "integer", "bigint", "bytea", "uuid", "text", "date"),
        *("timestamp without time zone", "timestamp with time zone", "time without time zone"),
    }
)
#: Types of dates and times, whose text depends on the session.
TIMES: Final = frozenset({"date", "timestamp without time zone", "timestamp with time zone"})
_VARCHAR: Final = "character varying"

_TABLE: Final[LiteralString] = """
    SELECT relkind::text AS kind, relpersistence = 'p' AS is_logged,
        relforcerowsecurity AS forces_row_security,
        EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid AND c.relkind <> 'p')
            OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS is_inherited,
        pg_has_role(relowner, 'USAGE') AS is_owned, pg_total_relation_size(c.oid) AS size,
        (
            SELECT coalesce(sum(greatest(leaf.reltuples, 0)), 0)::bigint FROM pg_class AS leaf
            WHERE leaf.oid = c.oid AND leaf.relkind = 'r' OR leaf.oid IN (
                SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf
            )
        ) AS rows
    FROM pg_class AS c WHERE oid = format('%%I.%%I', %s::text, %s::text)::regclass
"""
_COLUMNS: Final[LiteralString] = """
    WITH RECURSIVE based AS (
        SELECT attrelid, attnum, atttypid AS oid FROM pg_attribute
        WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass
            AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT b.attrelid, b.attnum, t.typbasetype
        FROM based AS b JOIN pg_type AS t ON t.oid = b.oid WHERE t.typtype = 'd'
    )
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
        a.attnotnull AS is_required, a.attgenerated <> '' AS is_generated,
        coalesce(c.collisdeterministic, true) AS is_deterministic,
        format_type(b.oid, -1) AS base, t.typtype = 'e' AS is_enum, a.atttypid <> b.oid AS is_domain
    FROM based AS b JOIN pg_type AS t ON t.oid = b.oid AND t.typtype <> 'd'
    JOIN pg_attribute AS a USING (attrelid, attnum)
    LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
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

    *base* is the type without its length, and that behind a domain; None for that of *type*.
    """

    name: str
    type: LiteralString
    is_required: bool = False
    is_generated: bool = False
    is_deterministic: bool = True
    base: LiteralString | None = None
    is_enum: bool = False
    is_domain: bool = False
    forbids_null: bool = False

    @property
    def base_type(self) -> LiteralString:
        """Return the type without its length and domain: ``character varying``."""
        return self.base or self.type.partition("(")[0]

    @property
    def is_array(self) -> bool:
        """Return whether its values are arrays."""
        return self.base_type.endswith("[]")

    @property
    def is_exact(self) -> bool:
        """Return whether ``=`` compares its bytes."""
        is_exact_type = self.base_type in (*_EXACT_TYPES, _VARCHAR)
        return is_exact_type and self.is_deterministic


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table.

    *size* is bytes, with indexes; *rows* is the estimate of the last ``ANALYZE``.
    """

    columns: Mapping[str, LiveColumn]
    key: tuple[str, ...]
    kind: str = "r"
    is_logged: bool = True
    is_inherited: bool = False
    forces_row_security: bool = False
    is_owned: bool = True
    size: int = 0
    rows: int = 0

    @property
    def is_partitioned(self) -> bool:
        """Return whether it is a partitioned table."""
        return self.kind == "p"

    @property
    def times(self) -> frozenset[str]:
        """Return the columns of the key that are dates or times."""
        return frozenset(name for name in self.key if self.columns[name].base_type in TIMES)

    @property
    def inexact(self) -> frozenset[str]:
        """Return the columns that ``=`` does not compare by their bytes."""
        return frozenset(each.name for each in self.columns.values() if not each.is_exact)


def read(connection: Connection, schema: str, name: str) -> LiveTable:
    """Return the table *schema*.*name*."""
    named = schema, name
    with connection.cursor(row_factory=class_row(LiveColumn)) as cursor:
        found = cursor.execute(_COLUMNS, named).fetchall()
    columns = {each.name: _check_null(connection, each) for each in found}
    with connection.cursor(row_factory=dict_row) as cursor:
        table: dict[str, Any] = cursor.execute(_TABLE, named).fetchone() or {}
    key = tuple(column for (column,) in connection.execute(_KEY, named))
    return LiveTable(columns, key, **table)


def _check_null(connection: Connection, column: LiveColumn) -> LiveColumn:
    """Return *column* with whether its domain forbids NULL, which any of its checks may do."""
    if not column.is_domain:
        return column
    try:
        with connection.transaction():
            connection.execute(SQL("SELECT CAST(NULL AS {})").format(SQL(column.type)))
    except IntegrityError:
        return replace(column, forbids_null=True)
    return column


def has_row(connection: Connection, table: Identifier, condition: Composed) -> bool:
    """Return whether a row of *table* meets a condition, in which its alias is ``u``."""
    query = SQL("SELECT EXISTS (SELECT FROM {} AS u WHERE {})").format(table, condition)
    found = connection.execute(query).fetchone()
    return bool(found and found[0])
