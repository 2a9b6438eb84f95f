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

from migration.passes import work_reports
from migration.passes.work_reports import Rest
from migration.table.key_text import key_array
from migration.table.migrated_table import MigratedTable

#: Rows of a range, which one worker holds at a time.
RANGE: Final = 20_000
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
        size bigint,
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
    INSERT INTO strongroom_migration.ranges (migration, pass, number, after, until, size)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
#: What the table has not that an earlier version made. The change waits for all workers.
_HAS_SIZES: Final[LiteralString] = """
    SELECT FROM pg_attribute
    WHERE attrelid = 'strongroom_migration.ranges'::regclass AND attname = 'size'
"""
_ADD_SIZES: Final[LiteralString] = "ALTER TABLE strongroom_migration.ranges ADD COLUMN size bigint"
#: What is left and done of the ranges; a range of an earlier version has no size.
_SIZES: Final[LiteralString] = """
    SELECT coalesce(sum(size) FILTER (WHERE is_done), 0)::float,
        coalesce(sum(rows) FILTER (WHERE is_done), 0)::float,
        coalesce(sum(size) FILTER (WHERE NOT is_done), 0)::float,
        coalesce(sum(rows) FILTER (WHERE NOT is_done), 0)::float
    FROM (
        SELECT rows, done_at IS NOT NULL AS is_done, coalesce({size}, {usual}) AS size
        FROM strongroom_migration.ranges WHERE migration = %s AND pass = %s
    ) AS ranges
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
    """The ranges of one pass over a table.

    *rows* is how many this process has processed.
    """

    def __init__(self, migration: str, name: str) -> None:
        """Name the pass."""
        self.migration = migration
        self.name = name
        self.rows = 0
        self._names = migration, name

    def create(self, connection: Connection, table: MigratedTable, size: int) -> int:
        """Divide *table* into ranges of *size* rows, and return their number.

        The last range is open, so that it has what is inserted later.
        """
        if not _has_sizes(connection):
            connection.execute(_ADD_SIZES)
        bounds, total = _read_bounds(connection, table, size)
        sizes = [*[size] * len(bounds), total - size * len(bounds)]
        ranges = enumerate(zip([None, *bounds], [*bounds, None], sizes, strict=True))
        rows = [(*self._names, number, *each) for number, each in ranges]
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
        self.rows += rows

    def read_progress(self, connection: Connection) -> PassProgress:
        """Return how far the pass is."""
        with connection.cursor(row_factory=class_row(PassProgress)) as cursor:
            return cursor.execute(_PROGRESS, self._names).fetchone() or PassProgress(0, 0, 0, 0)

    def read_rest(self, connection: Connection) -> Rest:
        """Return what is left of the pass, and who works on it."""
        size = Identifier("size") if _has_sizes(connection) else SQL("NULL::bigint")
        query = SQL(_SIZES).format(size=size, usual=Literal(RANGE))
        sizes = connection.execute(query, self._names).fetchone() or (0.0,) * 4
        return Rest(count_left(*sizes), work_reports.read(connection, *self._names))


def _has_sizes(connection: Connection) -> bool:
    return connection.execute(_HAS_SIZES).fetchone() is not None


def count_left(size_done: float, rows_done: float, size_left: float, rows_of_left: float) -> float:
    """Return about how many rows are to come, by the sizes of ranges and the rows done of them.

    A pass leaves out rows that need nothing: the same part of what is left as of what is done.
    """
    part = rows_done / size_done if size_done else 1.0
    return max(0.0, size_left * part - rows_of_left)


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


def _read_bounds(
    connection: Connection, table: MigratedTable, size: int
) -> tuple[list[list[str]], int]:
    """Return the key of each *size*-th row, which ends a range, and the number of rows."""
    key = SQL(", ").join(Identifier(name) for name in table.key)
    query = SQL(
        "SELECT {}, n FROM (SELECT {}, row_number() OVER keys AS n, lead(1) OVER keys AS following"
        " FROM {} WINDOW keys AS (ORDER BY {})) AS u WHERE n % {} = 0 OR following IS NULL"
        " ORDER BY n"
    ).format(key_array(table, "u"), key, table.identifier, key, Literal(size))
    found = connection.execute(query).fetchall()
    return [bound for bound, at in found if at % size == 0], found[-1][1] if found else 0
