"""Application whose table is migrated, with the commands of its migration."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from migration import way_back
from migration.course import Course
from migration.migration_context import MigrationContext
from migration.passes.pass_worker import PassWorker, Watch
from migration.passes.passes import PassKind
from migration.passes.ranges import PassProgress, Ranges
from migration.passes.throttle import Limits
from migration.passes.work_reports import Rest
from migration.rows.row_cipher import RowCipher
from migration.stage import Stage
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing
from tests.support.databases.own_database import OwnDatabase
from vault.declare.schema.migration import MigrationPlan


class Quiet(Watch):
    """A watch that shows nothing."""

    def show(self, progress: PassProgress) -> None:
        pass

    def show_rest(self, rest: Rest) -> None:
        assert rest.rows >= 0

    def show_hold(self, reason: str | None) -> None:
        assert reason is None

    def warn(self, message: str) -> None:
        raise AssertionError(message)


class Leaving(Quiet):
    """A watch with which a worker is interrupted after its second batch."""

    def __init__(self, batch: int) -> None:
        self._batch = batch

    def show(self, progress: PassProgress) -> None:
        if progress.rows > self._batch:
            raise KeyboardInterrupt


class Meanwhile(Quiet):
    """A watch that calls something once, after the first batch of a pass."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._calls = [call]

    def show(self, progress: PassProgress) -> None:
        if progress.rows and self._calls:
            self._calls.pop()()


@dataclass
class CourseDriver(ABC):
    """An application whose table is migrated; *between* is called after each pass."""

    #: Rows of a batch.
    batch: ClassVar[int]
    #: Bytes that a person says are free; None to measure them, as a superuser may.
    free: ClassVar[int | None] = None

    database: OwnDatabase
    plan: MigrationPlan = field(init=False)
    passes: list[str] = field(init=False, default_factory=list)
    stages: list[Stage] = field(init=False, default_factory=list)
    watch: Watch = field(kw_only=True, default_factory=Quiet)
    between: Callable[[PassKind], object] = field(kw_only=True, default=lambda _: None)
    _idle: list[Connection] = field(init=False, default_factory=list)

    @abstractmethod
    def create(self) -> None:
        """Create the table with its rows."""

    @abstractmethod
    def open_cipher(self, table: MigratedTable) -> RowCipher:
        """Return a cipher as the service's keys make it."""

    @contextmanager
    def with_table(self) -> Iterator[Self]:
        """Create the table for the block, and drop it and what migrations left at its end."""
        self.create()
        try:
            yield self
        finally:
            self.execute(SQL("DROP TABLE {} CASCADE").format(Identifier(self.plan.table)))
            self.execute("DROP SCHEMA IF EXISTS strongroom_migration CASCADE")
            self.close()

    def context(self) -> MigrationContext:
        """Return what each step of the migration needs. No test waits for its quiet time."""
        pacing = Pacing(time.monotonic, lambda _: time.sleep(0.001), random.random, patience=0.2)
        plan = self.plan.model_copy(update={"quiet_for": 0})
        return MigrationContext(plan, self.connect, self.open_cipher, pacing, free=self.free)

    def run(self, kind: PassKind, pass_: Ranges) -> None:
        """Run the workers of a pass, as a command does."""
        self.passes.append(kind)
        worker = PassWorker(self.context(), self.watch, Limits(), duty=1.0, batch=self.batch)
        worker.run(kind, pass_)
        self.between(kind)

    def advance(self, to: Stage) -> None:
        """Go on to the stage *to*."""
        assert Course(self.context(), self.run, self.stages.append).advance(to) is None

    def undo(self) -> Stage | None:
        """Go one step back, and return the stage after it."""
        return way_back.go_back(self.context(), self.run).to

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Interrupt the block in its first pass over the table."""
        self.watch = Leaving(self.batch)
        with pytest.raises(KeyboardInterrupt):
            yield
        self.watch = Quiet()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection that commits each statement."""
        connection = self._idle.pop() if self._idle else self.database.connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        """Close its connections."""
        for connection in self._idle:
            connection.close()

    def execute(self, statement: Any, *values: object) -> list[Any]:
        """Execute one statement, and return its rows."""
        with self.connect() as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def upsert(self, row: Mapping[str, object]) -> None:
        """Insert *row*, or write it to the row that has its ``id``."""
        names = [Identifier(name) for name in row]
        statement = SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}").format(
            Identifier(self.plan.table),
            SQL(", ").join(names),
            SQL(", ").join([SQL("%s")] * len(row)),
            SQL(", ").join(SQL("{0} = EXCLUDED.{0}").format(name) for name in names),
        )
        self.execute(statement, *row.values())

    def columns(self) -> list[tuple[str, str, bool]]:
        """Return name, type and NOT NULL of each column."""
        return self.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            self.plan.table,
        )

    def script(self, statements: Any) -> None:
        """Execute statements that return nothing."""
        with self.connect() as connection:
            connection.execute(statements)
