"""The text and the types of a key, by which ranges and reports name a row in every session."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable


def key_types(table: MigratedTable, live: LiveTable) -> list[SQL]:
    """Return the type of each column of the key."""
    # SQL and not Identifier, as these are the catalogue's own texts: "character varying(80)".
    return [SQL(live.columns[name].type) for name in table.key]


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
