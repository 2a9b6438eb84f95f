"""Sample of old tokens, which shows before a migration begins whether the plan is right."""

from __future__ import annotations

from typing import Final

from psycopg import Connection
from psycopg.sql import SQL, Literal

from migration.rows import row_cursor
from migration.rows.rows import Rows
from migration.table.key_text import key_array
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.predicates import has_old_value

_ROWS: Final = 100


def read(connection: Connection, table: MigratedTable, live: LiveTable) -> Rows:
    """Return some rows that have old values, without the new columns."""
    names = [name for name in table.read if name not in table.written]
    query = SQL("SELECT {}, {} FROM {} AS u WHERE {} LIMIT {}").format(
        key_array(table, "u"),
        row_cursor.select_list(names, live),
        table.identifier,
        has_old_value(table, "u"),
        Literal(_ROWS),
    )
    with row_cursor.open_cursor(connection) as cursor:
        found = cursor.execute(query).fetchall()
    keys, *columns = zip(*found, strict=True) if found else [()] * (1 + len(names))
    return Rows(keys, [""] * len(keys), dict(zip(names, columns, strict=True)))
