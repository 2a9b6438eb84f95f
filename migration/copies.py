"""Search of what triggers of a migrated table may write for copies of its plaintext."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, QueryCanceled
from psycopg.sql import SQL, Composable, Composed, Identifier

from migration import plan as plans
from migration.migration_context import MigrationContext
from migration.rows import row_cursor
from migration.rows.rows import Rows
from migration.table import trigger_reach
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable

#: Rows whose values are searched for.
_ROWS: Final = 50
#: Letters that a value needs, because shorter ones would be found everywhere.
_SHORT: Final = 4
#: Letters of a word from which its ending is left out.
_LONG: Final = 6
_LIMIT: Final[LiteralString] = "SET LOCAL statement_timeout = '30s'"

#: Beginnings of the words of a value, because an index of words has other endings.
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """What a search found.

    Attributes:
        values: The number of values that it looked for.
        found: For each table and view that was searched, the rows that may have one of them.
        unsearched: What was not looked at, with the reason.

    """

    values: int
    found: dict[str, int]
    unsearched: tuple[str, ...]


def choose(context: MigrationContext) -> list[Words]:
    """Return values of the rows that were written last, which a log has rather than others.

    Values of old tokens, numbers and short ones are left out, as no row can be known by them.

    Raises:
        KeyUnavailable: If a key is not cached, and cannot be read or unwrapped now.
        psycopg.Error: If the server rejects the query.

    """
    with context.connect() as connection:
        live = context.read_table(connection)
        table = plans.to_table(context.plan, live)
        rows = _read_last(connection, table, live)
    values = context.open_cipher(table).open(rows).values
    names = (each.old for each in table.columns if each.old_context is None)
    found = (_split(value) for name in names for value in values.columns[name])
    return list(dict.fromkeys(words for words in found if sum(map(len, words)) >= _SHORT))


def search(context: MigrationContext, values: Sequence[Words]) -> Copies:
    """Return where rows may have one of *values*, among what triggers may write.

    Raises:
        psycopg.Error: If the server rejects a query.

    """
    with context.connect() as connection:
        live = context.read_table(connection)
        table = plans.to_table(context.plan, live)
        reach = trigger_reach.read(connection, table)
        others = [name for name in live.columns if name not in (*table.old_columns, *table.added)]
        places: dict[str, Composable] = {
            name: SQL(name.replace("%", "%%")) for name in reach.relations
        }
        # Of its own rows, tokens have nothing to find, but letters of any word.
        places |= {reach.own: _choose_columns(table, others)}
        found, unsearched = dict[str, int](), list[str]()
        for name, place in places.items() if values else ():
            try:
                found[name] = _count(connection, place, values)
            except QueryCanceled:
                unsearched.append(f"{name}, which takes longer than 30 s")
            except InsufficientPrivilege:
                unsearched.append(f"{name}, which this user may not read")
    return Copies(len(values), found, (*unsearched, *reach.unknown))


def _read_last(connection: Connection, table: MigratedTable, live: LiveTable) -> Rows:
    """Return the rows that were written last, without old columns, which may be gone."""
    old = table.old_columns
    names = [name for name in table.read if name not in old]
    query = SQL("SELECT {} FROM {} AS u ORDER BY age(u.xmin) LIMIT {}").format(
        row_cursor.select_list(names, live), table.identifier, _ROWS
    )
    with row_cursor.open_cursor(connection) as cursor:
        found = cursor.execute(query).fetchall()
    columns = zip(*found, strict=True) if found else [()] * len(names)
    empty = dict.fromkeys(old, [None] * len(found))
    read = dict(zip(names, columns, strict=True))
    return Rows([()] * len(found), [""] * len(found), {**read, **empty})


def _split(value: object) -> Words:
    """Return the beginnings of the words of a text, in small letters."""
    words = re.findall(r"\w+", value.lower()) if isinstance(value, str) else []
    return tuple(
        dict.fromkeys(
            each[:-2] if each.isalpha() and len(each) >= _LONG else each for each in words
        )
    )


def _choose_columns(table: MigratedTable, columns: Iterable[str]) -> Composed:
    names = SQL(", ").join(map(Identifier, columns))
    return SQL("(SELECT {} FROM {})").format(names, table.identifier)


def _count(connection: Connection, place: Composable, values: Sequence[Words]) -> int:
    """Return how many rows of *place* have all words of one of *values*."""
    is_found = SQL(" OR ").join([SQL("line LIKE ALL (%s::text[])")] * len(values))
    query = SQL(
        "SELECT count(*) FROM {} AS strongroom_row, lower(strongroom_row::text) AS line WHERE {}"
    ).format(place, is_found)
    with connection.transaction():
        connection.execute(_LIMIT)
        patterns = [[f"%{word}%" for word in words] for words in values]
        found = connection.execute(query, patterns).fetchone()
    return int(found[0]) if found else 0
