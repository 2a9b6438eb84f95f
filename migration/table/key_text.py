"""The text and the types of a key, which name a row in ranges and reports of every session."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.sql import SQL, Composed, Identifier

from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable


def key_types(table: MigratedTable, live: LiveTable) -> list[SQL]:
    """Return the type of each column of the key."""
    # SQL and not Identifier, as these are the catalogue's own texts: "character varying(80)".
    return [SQL(live.columns[name].type) for name in table.key]


def key_array(table: MigratedTable, row: str) -> Composed:
    """Return the expression of the key of *row* as an array of texts."""
    return SQL("ARRAY[{}]").format(SQL(", ").join(key_texts(table, row)))


def key_texts(table: MigratedTable, row: str) -> Iterator[Composed]:
    """Yield the expression of the text of each column of the key of *row*.

    A date or time as text depends on the session's ``DateStyle``; in JSON it is ISO 8601 always.
    """
    for name in table.key:
        text = "(to_jsonb({}.{}) #>> '{{}}')" if name in table.times else "{}.{}::text"
        yield SQL(text).format(SQL(row), Identifier(name))
