"""Search of what triggers of a migrated table may write for copies of its plaintext.

The server copies each table out, and the rows are searched here. So no value is in a statement or
its parameters, which a server may log, and no code of a table's owner runs with this user's rights:
for a query, casts, operators, policies and the expressions of indexes might. What remains are the
output functions of types, which only a superuser defines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final, LiteralString

import psycopg
from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, QueryCanceled, WrongObjectType
from psycopg.sql import SQL, Composable, Identifier

from migration import plan as plans
from migration.migration_context import MigrationContext
from migration.rows import row_cursor
from migration.rows.rows import Rows
from migration.table import trigger_reach
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable

#: Rows of each kind whose values are searched for.
_ROWS: Final = 50
#: Rows of a table that are searched at once.
_BLOCK: Final = 100
#: Letters that a value needs, because shorter ones would be found everywhere.
_SHORT: Final = 4
#: Letters of a word from which its ending is left out.
_LONG: Final = 6
#: A policy that hides rows is an error then.
_LIMITS: Final[LiteralString] = (
    "SELECT set_config('statement_timeout', '30s', true), set_config('row_security', 'off', true)"
)
_REASONS: Final[Mapping[type[psycopg.Error], str]] = MappingProxyType(
    {
        QueryCanceled: "which takes longer than 30 s",
        InsufficientPrivilege: "which this user may not read as a whole",
        # A materialized view before PostgreSQL 18, or what became a view since.
        WrongObjectType: "which is not a table",
    }
)

#: Beginnings of the words of a value, because an index of words has other endings.
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """What a search found."""

    values: int
    found: dict[str, int]
    unsearched: tuple[str, ...]


def choose(context: MigrationContext) -> list[Words]:
    """Return values of rows that a log may have, in small letters.

    Values of old tokens, numbers and short ones are left out, as no row can be known by them.
    """
    with context.connect() as connection:
        live = context.read_table(connection)
        table = plans.to_table(context.plan, live)
        rows = _sample(connection, table, live)
    values = context.open_cipher(table).open(rows).values
    names = (each.old for each in table.columns if each.old_context is None)
    found = (_split(value) for name in names for value in values.columns[name])
    return list(dict.fromkeys(words for words in found if sum(map(len, words)) >= _SHORT))


def search(context: MigrationContext, values: Sequence[Words]) -> Copies:
    """Return where rows may have one of *values*, among what triggers may write.

    A table whose search fails is among what was not looked at, because the values are gone by then.
    """
    with context.connect() as connection:
        live = context.read_table(connection)
        table = plans.to_table(context.plan, live)
        reach = trigger_reach.read(connection, table)
        # Of its own rows, tokens have nothing to find, but letters of any word.
        columns = SQL(", ").join(
            Identifier(each.name)
            for each in live.columns.values()
            if each.name not in (*table.old_columns, *table.added) and not each.is_generated
        )
        places: dict[str, Composable] = {name: SQL(name) for name in reach.others}
        places |= {name: SQL("{} ({})").format(SQL(name), columns) for name in reach.own}
        found, unsearched = dict[str, int](), list[str]()
        for name, place in places.items() if values else ():
            try:
                found[name] = _count(connection, place, values)
            except psycopg.Error as error:
                reason = _REASONS.get(type(error), f"which ended in {type(error).__name__}")
                unsearched.append(f"{name}, {reason}")
    return Copies(len(values), found, (*unsearched, *reach.unknown))


def _sample(connection: Connection, table: MigratedTable, live: LiveTable) -> Rows:
    """Return rows without old columns, which may be gone.

    Those written last, and as many that have old values, or any if no row has. The last ones alone
    may be of versions that write no plaintext, which are found nowhere.
    """
    old = table.old_columns
    names = [name for name in table.read if name not in old]
    # NULL, because there may be no other one.
    there = [SQL("NULL"), *(Identifier(each) for each in old if each in live.columns)]
    left = SQL("num_nonnulls({}) > 0").format(SQL(", ").join(there))
    orders = SQL("age(u.xmin)"), SQL("{0} DESC, random()").format(left)
    query = SQL("(SELECT {} FROM {} AS u ORDER BY {} LIMIT {})")
    columns = row_cursor.select_list(names, live)
    halves = (query.format(columns, table.identifier, order, _ROWS) for order in orders)
    with row_cursor.open_cursor(connection) as cursor:
        found = cursor.execute(SQL(" UNION ALL ").join(halves)).fetchall()
    values = zip(*found, strict=True) if found else [()] * len(names)
    empty = dict.fromkeys(old, [None] * len(found))
    read = dict(zip(names, values, strict=True))
    return Rows([()] * len(found), [""] * len(found), {**read, **empty})


def _split(value: object) -> Words:
    """Return the beginnings of the words of a text, in small letters."""
    words = re.findall(r"\w+", value.lower()) if isinstance(value, str) else []
    return tuple(
        dict.fromkeys(
            each[:-2] if each.isalpha() and len(each) >= _LONG else each for each in words
        )
    )


def _count(connection: Connection, place: Composable, values: Sequence[Words]) -> int:
    """Return how many rows of *place* have all words of one of *values*."""
    query = SQL("COPY {} TO STDOUT (ENCODING 'UTF8')").format(place)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_LIMITS)
        with cursor.copy(query) as copy:
            rows, count = iter(copy), 0
            while block := b"".join(islice(rows, _BLOCK)):
                count += _count_lines(str(block, "utf-8", "replace").lower(), values)
    return count


def _count_lines(block: str, values: Sequence[Words]) -> int:
    """Return how many lines of *block* have all words of one of *values*.

    Most values are not in it, which is known sooner than of each line.
    """
    present = [words for words in values if all(word in block for word in words)]
    if not present:
        return 0
    return sum(
        any(all(word in line for word in words) for words in present) for line in block.split("\n")
    )
