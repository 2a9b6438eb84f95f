"""Columns to which tokens are bound, and where their values come from when a row is inserted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from app_integration.integrations.key_sequence import SEQUENCE
from migration.table.migrated_table import MigratedTable

#: A trigger sets a column if its function assigns to it, as far as the function's source shows.
_COLUMNS: Final[LiteralString] = r"""
    SELECT b.attname AS name, ({sequence})::regclass::text AS sequence,
        b.attgenerated <> '' AS is_computed,
        (
            SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d
            WHERE d.adrelid = b.attrelid AND d.adnum = b.attnum
        ) AS "default",
        ARRAY(
            SELECT t.tgname::text FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
            CROSS JOIN concat(
                'new\s*\.\s*"?', regexp_replace(b.attname, '(\W)', '\\\1', 'g'), '"?'
            ) AS column_of_row
            WHERE t.tgrelid = b.attrelid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                AND t.tgtype & 7 = 7 AND p.prosrc ~* concat(
                    '\m', column_of_row, '\s*:=',
                    '|(;|\m(begin|then|else|loop|into|strict))\s*', column_of_row, '(\W|$)'
                )
            ORDER BY 1
        ) AS triggers
    FROM pg_attribute AS b
    WHERE b.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND b.attname = ANY (%s)
    ORDER BY b.attnum
""".format(sequence=SEQUENCE.format(table="b.attrelid", column="b.attname"))  # noqa: S608 (of constants)


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A column to which tokens are bound."""

    name: str
    sequence: str | None
    default: str | None
    is_computed: bool
    triggers: list[str]

    def find_problems(self) -> Iterator[str]:
        """Yield why no token can be bound to it."""
        if self.is_computed:
            yield (
                f"{self.name} is computed from other columns when the row is written, too late to"
                " bind a token to it; name another context"
            )
        for trigger in self.triggers:
            yield (
                f"the trigger {trigger} sets {self.name} when a row is inserted, too late to bind a"
                " token to it; let its function leave the column alone, and give the column an"
                " identity or a default that is nextval() alone, or assign it in the application"
            )

    def lines(self) -> Iterator[str]:
        """Yield the line that a person reads, unless the application assigns the value anyhow."""
        if self.sequence is not None:
            yield (
                f"{self.name}: tokens are bound to it, so an application reserves it from"
                f" {self.sequence} before the insert; its user needs USAGE on that"
            )
        elif self.default is not None:
            yield (
                f"{self.name}: tokens are bound to it, and its default {self.default} comes too"
                " late; the application must assign it"
            )


def read(connection: Connection, table: MigratedTable) -> list[BoundColumn]:
    """Return the columns to which tokens of *table* are bound, new and old ones."""
    names = {name for each in table.columns for name in (*each.context, *(each.old_context or ()))}
    with connection.cursor(row_factory=class_row(BoundColumn)) as cursor:
        return cursor.execute(_COLUMNS, (table.schema, table.name, list(names))).fetchall()
