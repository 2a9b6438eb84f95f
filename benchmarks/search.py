"""Benchmark of a search by blind index on PostgreSQL, against one by an indexed column of text.

    python -m benchmarks.search [--rows 10000 100000 1000000]

Two to four values share an index value on purpose, so a search returns as many rows, each of which
an application decrypts. The floor finds one row by its plaintext. The ratio has no bar, because it
includes these rows.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Final

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.names import Environment, Scope
from benchmarks.memory_keys import MemoryIndexKeys
from benchmarks.people_table import database
from benchmarks.ratio import Case, Run, measure, report

ROWS: Final = (10_000, 100_000, 1_000_000)
TURNS: Final = 200
_SAMPLE: Final = 1000  # values that are searched
_CALLS: Final = 50  # searches in a turn
_TOKEN: Final = 70  # bytes
_STRIDE: Final = 7_919  # a prime, so that positions are spread over a table of any size
_CHUNK: Final = 10_000  # rows whose index values are computed at once
_CREATE: Final = """
    CREATE TABLE {table} (id bigint, token bytea, email text, email_index bytea);
"""
_INDEXES: Final = """
    ALTER TABLE {table} ADD PRIMARY KEY (id);
    CREATE INDEX ON {table} (email);
    CREATE INDEX ON {table} (email_index);
    VACUUM ANALYZE {table};
"""


def spread(size: int, count: int) -> list[int]:
    """Return *count* positions in *size*, far from each other."""
    return [step * _STRIDE % size for step in range(count)]


def email(number: int) -> str:
    """Return the address of a row."""
    return f"first.lastname.{number}@example.com"


def declare(rows: int) -> BlindIndex:
    """Return a blind index for *rows* rows with a key of its own."""
    keys = MemoryIndexKeys()
    index = BlindIndexes(keys, keys, Scope("shop", Environment.DEV)).index("users.email", rows=rows)
    index.create()
    return index


def fill(connection: Connection, table: str, rows: int, index: BlindIndex) -> None:
    """Create *table* with *rows* addresses, their index values, and an index on each of both."""
    named = Identifier(table)
    connection.execute(SQL("DROP TABLE IF EXISTS {}").format(named))
    connection.execute(SQL(_CREATE).format(table=named))
    copy = SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(named)
    with connection.cursor() as cursor, cursor.copy(copy) as copied:
        copied.set_types(["int8", "bytea", "text", "bytea"])
        for first in range(0, rows, _CHUNK):
            numbers = range(first, min(first + _CHUNK, rows))
            values = index.values([email(number) for number in numbers])
            for number, value in zip(numbers, values, strict=True):
                copied.write_row((number, os.urandom(_TOKEN), email(number), value))
    for statement in _INDEXES.strip().split("\n"):
        connection.execute(SQL(statement).format(table=named))


def searches(connection: Connection, table: str, rows: int, index: BlindIndex) -> tuple[Run, Run]:
    """Return runs of searches in *table*: by the blind index, and by the address."""
    wanted = spread(rows, _SAMPLE)

    def run(column: str, shown: str, keys: Callable[[str], Sequence[object]]) -> Run:
        select = SQL("SELECT id, {} FROM {} WHERE {} IN (%s)")
        query = select.format(*map(Identifier, (shown, table, column))).as_string(connection)
        numbers = cycle(wanted)

        def search(times: int) -> None:
            for _ in range(times):
                number = next(numbers)
                found = connection.execute(query, keys(email(number)), prepare=True).fetchall()
                _check(number, found)

        return search

    return run("email_index", "token", index.candidates), run(
        "email", "email", lambda each: (each,)
    )


def _check(number: int, found: Sequence[Sequence[object]]) -> None:
    """Check that a search found the row *number*."""
    if number not in [row[0] for row in found]:
        raise SystemExit(f"a search does not find row {number}")


@contextmanager
def cases(sizes: Iterable[int]) -> Iterator[Iterator[Case]]:
    """Run PostgreSQL and yield a case for each number of rows."""
    with database() as running, running.connect() as connection:
        yield _cases(connection, sizes)


def _cases(connection: Connection, sizes: Iterable[int]) -> Iterator[Case]:
    for rows in sizes:
        index = declare(rows)
        fill(connection, "people", rows, index)
        ours, floor = searches(connection, "people", rows, index)
        yield Case(f"search, {rows:,} rows", ours, floor, "search by plaintext", calls=_CALLS)


def main() -> int:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_args()
    with cases(arguments.rows) as each:
        return report([measure(case, arguments.turns) for case in each])


if __name__ == "__main__":
    sys.exit(main())
