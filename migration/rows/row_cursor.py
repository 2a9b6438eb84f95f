"""Cursor that reads values of rows as ciphers take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import set_json_loads

from migration.rows import json_text, time_loaders
from migration.table.live_table import LiveTable

#: A type of an extension, whose binary form the driver does not know.
_CITEXT: Final = "citext"


def open_cursor(connection: Connection) -> Cursor[Any]:
    """Return a cursor for values in their binary form."""
    cursor = connection.cursor(binary=True)
    set_json_loads(json_text.load, cursor)
    for name, loader in time_loaders.LOADERS.items():
        cursor.adapters.register_loader(name, loader)
    return cursor


def select_list(names: Iterable[str], live: LiveTable) -> Composed:
    """Return the list of columns of a row ``u``, to be read by :func:`open_cursor`.

    Args:
        names: The columns.
        live: The table, with or without the columns of tokens, which are added to it.

    """
    unknown = {each.name for each in live.columns.values() if each.base_type == _CITEXT}
    return SQL(", ").join(
        SQL("{}::text" if name in unknown else "{}").format(Identifier("u", name)) for name in names
    )
