"""Ranges of a table's key, which several workers claim in the database.

A worker holds a range by a lock on its row for one batch's transaction, and stores there how far it
came. So a worker that dies leaves a range that another one takes on exactly where the last batch
ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier, Literal

from migration.table.key_text import key_array
from migration.table.migrated_table import MigratedTable

#: Statement that creates the table of ranges.
TABLE: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS strongroom_migration.ranges (
        migration text NOT NULL,
        pass text NOT NULL,
        number int NOT NULL,
        after text[],
        until text[],
        rows bigint NOT NULL DEFAULT 0,
        wrong bigint NOT NULL DEFAULT 0,
        done_at timestamptz,
        PRIMARY KEY (migration, pass, number)
    )
"""
_CLAIM: Final[LiteralString] = """
    SELECT number, after, until FROM strongroom_migration.ranges
    WHERE migration = %s AND pass = %s AND done_at IS NULL
    ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_SAVE: Final[LiteralString] = """
    UPDATE strongroom_migration.ranges SET after = coalesce(%(after)s, after),
        rows = rows + %(rows)s, wrong = wrong + %(wrong)s,
        done_at = CASE WHEN %(is_done)s THEN clock_timestamp() END
    WHERE migration = %(migration)s AND pass = %(pass)s AND number = %(number)s
"""
_INSERT: Final[LiteralString] = """
    INSERT INTO strongroom_migration.ranges (migration, pass, number, after, until)
    VALUES (%s, %s, %s, %s, %s)
"""
_PROGRESS: Final[LiteralString] = """
    SELECT count(*) AS ranges, count(*) FILTER (WHERE done_at IS NULL) AS left,
        coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(wrong), 0)::bigint AS wrong
    FROM strongroom_migration.ranges WHERE migration = %s AND pass = %s
"""


_NUMBERS: Final[LiteralString] = """
    SELECT coalesce(max(split_part(pass, ' ', 2)::int), 0) FROM strongroom_migration.ranges
    WHERE migration = %s AND split_part(pass, ' ', 1) = %s
"""
_OPEN: Final[LiteralString] = """
    SELECT pass FROM strongroom_migration.ranges WHERE migration = %s AND done_at IS NULL LIMIT 1
"""
_FORGET_OTHERS: Final[LiteralString] = """
    DELETE FROM strongroom_migration.ranges WHERE migration = %s AND split_part(pass, ' ', 1) <> %s
"""
_FORGET: Final[LiteralString] = "DELETE FROM strongroom_migration.ranges WHERE migration = %s"


@dataclass(frozen=True, slots=True)
class Range:
    """A range that this worker holds.

    It begins after the key *after*, and ends with the key *until*, both as text; None is the first
    or last row of the table.
    """

    number: int
    after: Sequence[str] | None
    until: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class PassProgress:
    """How far a pass is."""

    ranges: int
    left: int
    rows: int
    wrong: int

    @property
    def is_done(self) -> bool:
        """Return whether no range is left."""
        return self.ranges > 0 and not self.left


class Ranges:
    """The ranges of one pass over a table."""

    def __init__(self, migration: str, name: str) -> None:
        """Name the pass."""
        self.migration = migration
        self._names = migration, name

    def create(self, connection: Connection, table: MigratedTable, size: int) -> int:
        """Divide *table* into ranges of *size* rows, and return their number.

        The last range is open, so that it has what is inserted later.
        """
        bounds = _read_bounds(connection, table, size)
        ranges = enumerate(zip([None, *bounds], [*bounds, None], strict=True))
        rows = [(*self._names, number, after, until) for number, (after, until) in ranges]
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT, rows)
        return len(rows)

    def claim(self, connection: Connection) -> Range | None:
        """Hold a range until the transaction ends, and return it; None if no free one is left."""
        with connection.cursor(row_factory=class_row(Range)) as cursor:
            return cursor.execute(_CLAIM, self._names).fetchone()

    def save(
        self,
        connection: Connection,
        number: int,
        after: Sequence[str] | None,
        rows: int,
        *,
        wrong: int = 0,
        is_done: bool,
    ) -> None:
        """Store in the batch's transaction how far the range *number* is done."""
        values = {
            "migration": self.migration,
            "pass": self._names[1],
            "number": number,
            "after": None if after is None else list(after),
            "rows": rows,
            "wrong": wrong,
            "is_done": is_done,
        }
        connection.execute(_SAVE, values)

    def read_progress(self, connection: Connection) -> PassProgress:
        """Return how far the pass is."""
        with connection.cursor(row_factory=class_row(PassProgress)) as cursor:
            return cursor.execute(_PROGRESS, self._names).fetchone() or PassProgress(0, 0, 0, 0)


def last_number(connection: Connection, migration: str, kind: str) -> int:
    """Return the number of the last pass of *kind*, 0 if there was none."""
    found = connection.execute(_NUMBERS, (migration, kind)).fetchone()
    return int(found[0]) if found else 0


def find_open(connection: Connection, migration: str) -> str | None:
    """Return the name of the pass of *migration* that is not done, None if there is none."""
    found = connection.execute(_OPEN, (migration,)).fetchone()
    return None if found is None else str(found[0])


def forget(connection: Connection, migration: str) -> None:
    """Delete the ranges of all passes of *migration*."""
    connection.execute(_FORGET, (migration,))


def forget_others(connection: Connection, migration: str, kind: str) -> None:
    """Delete the ranges of the passes of *migration* that are not of *kind*.

    It waits for the batches that hold them.
    """
    connection.execute(_FORGET_OTHERS, (migration, kind))


def _read_bounds(connection: Connection, table: MigratedTable, size: int) -> list[list[str]]:
    """Return the key of each *size*-th row, which ends a range."""
    key = SQL(", ").join(Identifier(name) for name in table.key)
    query = SQL(
        "SELECT {} FROM (SELECT {}, row_number() OVER (ORDER BY {}) AS n FROM {}) AS u"
        " WHERE n % {} = 0 ORDER BY n"
    ).format(key_array(table, "u"), key, key, table.identifier, Literal(size))
    return [bound for (bound,) in connection.execute(query)]
