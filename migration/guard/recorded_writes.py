"""Writes that brought no new token: the queue that the guard fills, and who made them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

# A report is one array: migration, operation, writer, application, and the row's key. Each call of
# the guard starts an INSERT, which for a column of each would take as long again. The queue has no
# primary key, as an index would make each report a third slower; a published table needs a replica
# identity to be deleted from.
#: Statement that creates the queue and the table of writers.
TABLES: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS strongroom_migration.bypasses (
        report text[] NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    ALTER TABLE strongroom_migration.bypasses REPLICA IDENTITY FULL;
    CREATE TABLE IF NOT EXISTS strongroom_migration.bypassing_writers (
        migration text NOT NULL,
        writer text NOT NULL,
        application text NOT NULL,
        operation text NOT NULL,
        writes bigint NOT NULL,
        first timestamptz NOT NULL,
        last timestamptz NOT NULL,
        PRIMARY KEY (migration, writer, application, operation)
    )
"""
_TAKE: Final[LiteralString] = """
    WITH taken AS (
        DELETE FROM strongroom_migration.bypasses
        WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM strongroom_migration.bypasses WHERE report[1] = %s
            LIMIT %s FOR UPDATE SKIP LOCKED
        ))
        RETURNING report[1] AS migration, report[2] AS operation, report[3] AS writer,
            report[4] AS application, report[5:] AS row_key, at
    ), noted AS (
        INSERT INTO strongroom_migration.bypassing_writers AS known
        SELECT migration, writer, application, operation, count(*), min(at), max(at) FROM taken
        GROUP BY migration, writer, application, operation
        -- In one order, because two workers that note the same writers would lock each other out.
        ORDER BY migration, writer, application, operation
        ON CONFLICT (migration, writer, application, operation) DO UPDATE SET
            writes = known.writes + excluded.writes, first = least(known.first, excluded.first),
            last = greatest(known.last, excluded.last)
    )
    SELECT DISTINCT row_key FROM taken
"""
_WRITERS: Final[LiteralString] = """
    SELECT writer, application, operation, sum(writes)::bigint AS writes, min(first) AS first,
        max(last) AS last
    FROM (
        SELECT * FROM strongroom_migration.bypassing_writers
        UNION ALL
        SELECT report[1], report[3], report[4], report[2], 1, at, at
        FROM strongroom_migration.bypasses
    ) AS reports
    WHERE migration = %s
    GROUP BY writer, application, operation ORDER BY max(last) DESC, writer, application, operation
"""
_PENDING: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM strongroom_migration.bypasses WHERE report[1] = %s)
"""
_FORGET: Final[LiteralString] = """
    WITH known AS (
        DELETE FROM strongroom_migration.bypassing_writers WHERE migration = %(migration)s
    )
    DELETE FROM strongroom_migration.bypasses WHERE report[1] = %(migration)s
"""


@dataclass(frozen=True, slots=True)
class BypassingWriter:
    """A writer that changed plaintext and brought no new token.

    No statement can change *writer*, the user of the session, but its client chose *application*. A
    row that moves to another partition counts twice, and so does one that a later trigger changed.
    """

    writer: str
    application: str
    operation: str
    writes: int
    first: datetime
    last: datetime


def read_writers(connection: Connection, migration: str) -> list[BypassingWriter]:
    """Return the writers that bypassed *migration*, the latest first."""
    with connection.cursor(row_factory=class_row(BypassingWriter)) as cursor:
        return cursor.execute(_WRITERS, (migration,)).fetchall()


def take(connection: Connection, migration: str, limit: int) -> list[list[str]]:
    """Take up to *limit* reports off the queue, note their writers, and return the rows' keys.

    Reports that another worker has taken are skipped. They are back if its transaction fails.
    """
    return [key for (key,) in connection.execute(_TAKE, (migration, limit))]


def is_pending(connection: Connection, migration: str) -> bool:
    """Return whether the queue has reports of *migration*."""
    found = connection.execute(_PENDING, (migration,)).fetchone()
    return bool(found and found[0])


def forget(connection: Connection, migration: str) -> None:
    """Delete the reports and writers of *migration*."""
    connection.execute(_FORGET, {"migration": migration})
