"""Cursor that reads values of rows as ciphers take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, LiteralString

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import set_json_loads

from migration.rows import json_text, time_loaders
from migration.table.live_table import LiveColumn, LiveTable

#: How a column is read, by its type. Of some types the driver does not know the binary form, or
#: has a class that no token has; ``char(n)`` has blanks at the end that mean nothing.
_READ: Final[Mapping[str, LiteralString]] = {
    **dict.fromkeys(("citext", "bpchar", "cidr"), "{}::text"),
    # As the server prints it; ::text adds /32.
    "inet": "pg_catalog.abbrev({})",
}
_ENUM: Final[LiteralString] = "{}::text"
#: An array as JSON, if it has one dimension and no other lower bound. Another one becomes a
#: text, which is no list, so that it is refused.
_ARRAY: Final[LiteralString] = (
    "CASE WHEN {0} = '{{}}' OR array_ndims({0}) = 1 AND array_lower({0}, 1) = 1"
    " THEN to_jsonb({0}) ELSE to_jsonb({0}::text) END"
)


def open_cursor(connection: Connection) -> Cursor[Any]:
    """Return a cursor for values in their binary form."""
    cursor = connection.cursor(binary=True)
    set_json_loads(json_text.load, cursor)
    for name, loader in time_loaders.LOADERS.items():
        cursor.adapters.register_loader(name, loader)
    return cursor


def select_list(names: Iterable[str], live: LiveTable) -> Composed:
    """Return the list of columns of a row ``u``, to be read by :func:`open_cursor`."""
    return SQL(", ").join(
        SQL(_find_form(live.columns.get(name))).format(Identifier("u", name)) for name in names
    )


def _find_form(column: LiveColumn | None) -> LiteralString:
    if column is None:
        return "{}"
    if column.is_array:
        return _ARRAY
    return _ENUM if column.is_enum else _READ.get(column.base_type, "{}")
