"""The text of a key, by which ranges and reports name a row in every session."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

from migration.migrated_table import MigratedTable


def key_array(table: MigratedTable, row: str) -> Composed:
    """Return the expression of the key of *row* as an array of texts.

    A date or time as text depends on the session's ``DateStyle``; in JSON it is ISO 8601 always.

    Args:
        table: The table.
        row: Alias of the row: ``u`` or ``NEW``.

    """
    parts = (
        SQL("(to_jsonb({}.{}) #>> '{{}}')" if name in table.times else "{}.{}::text").format(
            SQL(row),
            Identifier(name),
        )
        for name in table.key
    )
    return SQL("ARRAY[{}]").format(SQL(", ").join(parts))
