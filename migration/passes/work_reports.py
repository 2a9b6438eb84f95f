"""Reports of the workers of a pass: how fast each of them is, and when the pass will be done.

Each worker stores its own row, so that any shell reads those of all machines. A rate is that of the
last batches with their pauses, which are computed again when the limit of the duty changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.types.json import Jsonb

#: Statement that creates the table of reports.
_TABLE: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS strongroom_migration.workers (
        migration text,
        pass text,
        worker text,
        report jsonb NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (migration, pass, worker)
    )
"""
_WRITE: Final[LiteralString] = """
    INSERT INTO strongroom_migration.workers VALUES (%s, %s, %s, %s, clock_timestamp())
    ON CONFLICT (migration, pass, worker) DO UPDATE SET report = EXCLUDED.report, at = EXCLUDED.at
"""
_READ: Final[LiteralString] = """
    SELECT report, extract(epoch FROM clock_timestamp() - at)::float
    FROM strongroom_migration.workers WHERE migration = %s AND pass = %s
        AND at > clock_timestamp() - make_interval(secs => %s)
    ORDER BY worker
"""
_FORGET: Final[LiteralString] = "DELETE FROM strongroom_migration.workers WHERE migration = %s"
_EXIST: Final[LiteralString] = "SELECT to_regclass('strongroom_migration.workers') IS NOT NULL"

#: Part of what is known that is kept at each batch: the last hundred weigh most.
_KEPT: Final = 0.99
#: Seconds between two reports of a worker.
INTERVAL: Final = 1.0
#: Seconds after which a worker without a report counts as gone.
_GONE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What the last batches of a worker took. Earlier ones count less.

    *busy* is seconds in batches, *other* those beside them which no duty changes, such as probes,
    and *paused* those of pauses.
    """

    rows: float = 0.0
    busy: float = 0.0
    other: float = 0.0
    paused: float = 0.0

    def add(self, rows: int, busy: float, other: float, paused: float) -> Work:
        """Return the work with a batch of *rows*."""
        return Work(
            self.rows * _KEPT + rows,
            self.busy * _KEPT + busy,
            self.other * _KEPT + other,
            self.paused * _KEPT + paused,
        )

    def at(self, duty: float) -> Work:
        """Return the work as it would have been at *duty*."""
        return replace(self, paused=self.busy * (1 / duty - 1))


@dataclass(frozen=True, slots=True)
class WorkReport:
    """Last report of a worker, *age* seconds ago; *held* is why it waits, None if it works.

    *rows* took *busy* seconds of work, and *paused* of pauses.
    """

    worker: str
    rows: float
    busy: float
    paused: float
    duty: float
    held: str | None
    age: float = 0.0

    @property
    def rate(self) -> float:
        """Return the rows a second now, 0 before the first batch."""
        seconds = self.busy + self.paused
        return self.rows / seconds if seconds and self.held is None else 0.0


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a pass: rows to come at most, and the workers that are on it."""

    rows: float
    workers: Sequence[WorkReport] = ()

    @property
    def rate(self) -> float:
        """Return the rows a second of all workers."""
        return sum(each.rate for each in self.workers)

    @property
    def seconds(self) -> float | None:
        """Return the seconds until the pass is done; None if no worker has done a batch."""
        return self.rows / self.rate if self.rate else None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "rows_left": round(self.rows),
            "rows_per_second": round(self.rate, 1),
            "seconds_left": None if self.seconds is None else round(self.seconds),
            "workers": [
                asdict(each) | {"rows_per_second": round(each.rate, 1)} for each in self.workers
            ],
        }


def prepare(connection: Connection, migration: str) -> None:
    """Create the table, and delete what workers of *migration* reported; they report again."""
    connection.execute(_TABLE)
    connection.execute(_FORGET, (migration,))


def write(connection: Connection, migration: str, pass_: str, report: WorkReport) -> None:
    """Store the report of a worker, in place of its last one."""
    connection.execute(_WRITE, (migration, pass_, report.worker, Jsonb(asdict(report))))


def read(connection: Connection, migration: str, pass_: str) -> list[WorkReport]:
    """Return the reports of the workers that are on a pass."""
    if not exist(connection):
        return []
    found = connection.execute(_READ, (migration, pass_, _GONE))
    return [WorkReport(**{**report, "age": age}) for report, age in found]


def exist(connection: Connection) -> bool:
    """Return whether the database has the table, which a pass of an earlier version has not."""
    return connection.execute(_EXIST).fetchone() == (True,)
