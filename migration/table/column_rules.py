"""Rules that the database keeps for old columns, and that no column of new tokens keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from migration.table.migrated_table import MigratedTable

#: An index on an expression names its columns among its dependencies only.
_RULES: Final[LiteralString] = """
    SELECT a.attname AS "column", a.attnotnull AS is_required,
        ARRAY(
            SELECT c.relname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = a.attrelid AND (i.indisunique OR i.indisexclusion) AND (
                a.attnum = ANY (i.indkey::smallint[]) OR EXISTS (
                    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                        AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
                        AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                )
            ) ORDER BY 1
        ) AS "unique",
        ARRAY(
            SELECT f.conname::text FROM pg_constraint AS f WHERE f.contype = 'f'
                AND f.conrelid = a.attrelid AND a.attnum = ANY (f.conkey) ORDER BY 1
        ) AS "references",
        ARRAY(
            SELECT format('%%s of %%s', f.conname, f.conrelid::regclass) FROM pg_constraint AS f
            WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid = a.attrelid
                AND a.attnum = ANY (f.confkey) ORDER BY 1
        ) AS referrers,
        (
            SELECT pg_get_expr(e.adbin, e.adrelid) FROM pg_attrdef AS e
            WHERE e.adrelid = a.attrelid AND e.adnum = a.attnum AND a.attgenerated = ''
        ) AS "default"
    FROM pg_attribute AS a
    WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attname = ANY (%s)
    ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Rules of one old column.

    Attributes:
        column: Its name.
        is_required: Whether it is NOT NULL.
        unique: Unique indexes that have it; among them those of unique constraints.
        references: Foreign keys of this table that have it.
        referrers: Foreign keys of tables that refer to it.
        default: The expression of its default, or None.

    """

    column: str
    is_required: bool
    unique: list[str]
    references: list[str]
    referrers: list[str]
    default: str | None


def read(connection: Connection, table: MigratedTable) -> list[ColumnRules]:
    """Return the rules of each old column of *table*.

    Raises:
        psycopg.Error: If the server rejects the query.

    """
    with connection.cursor(row_factory=class_row(ColumnRules)) as cursor:
        return cursor.execute(
            _RULES, (table.schema, table.name, list(table.old_columns))
        ).fetchall()
