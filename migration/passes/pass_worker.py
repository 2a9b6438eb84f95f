"""Worker of the passes over a table, which goes on after short outages of database and keys."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, LiteralString, Protocol, TypeVar

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from app_integration.errors import KeyUnavailable, ServerError
from migration import plan as plans
from migration import state_table
from migration.migration_context import MigrationContext
from migration.pace import DEFAULT_DUTY, Pace
from migration.passes import work_reports
from migration.passes.backfill import Backfill, VerifiedBackfill
from migration.passes.passes import PassKind
from migration.passes.ranges import PassProgress, Ranges
from migration.passes.renewing_pass import Nulling, Restoration
from migration.passes.throttle import Limits, Reading, Throttle
from migration.passes.verification import Verification
from migration.passes.work_reports import Rest, Work, WorkReport
from migration.rows.row_statements import RowStatements
from migration.rows.token_writer import TokenWriter
from migration.session_limits import LOST
from migration.table import table_triggers
from migration.table.migrated_table import MigratedTable
from migration.table.table_triggers import Firing

#: Seconds until a worker that must wait looks again.
_WAIT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """What a worker asks of the table and the machine.

    *run_batch* returns the rows of a batch, None if no range is free.
    """

    run_batch: Callable[[], int | None]
    is_done: Callable[[], bool]
    throttle: Callable[[], Reading]
    probe: Callable[[], object]
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    report: Callable[[Work, float, str | None], object]


def measure_probes(site: Site, count: int) -> list[float]:
    """Return the seconds of *count* probes."""
    return [_time(site.probe, site.clock) for _ in range(count)]


def run(site: Site, pace: Pace) -> int:
    """Run batches until the pass is done, and return their number.

    A worker that finds no free range waits, because another one may leave the range that it holds.
    """
    batches, work = 0, Work()
    while True:
        begun = site.clock()
        if site.is_done():
            return batches
        is_held, work = _look(site, pace, work)
        started = site.clock()
        if is_held or (rows := site.run_batch()) is None:
            site.sleep(_WAIT)
            continue
        batches += 1
        busy = site.clock() - started
        pace.observe(_time(site.probe, site.clock))
        other = site.clock() - begun - busy
        work = _pause(site, pace, work.add(rows, busy, other, pace.pause_after(busy)), busy)


def _look(site: Site, pace: Pace, work: Work) -> tuple[bool, Work]:
    """Take over what the throttle says, and report.

    Return whether the worker must wait, and its work as it would have been at a changed limit.
    """
    reading = site.throttle()
    if pace.limit_duty(reading.duty):
        work = work.at(pace.duty)
    site.report(work, pace.duty, reading.reason)
    return reading.reason is not None, work


def _pause(site: Site, pace: Pace, work: Work, busy: float) -> Work:
    """Pause after a batch of *busy* seconds, which a change of the duty shortens or lengthens."""
    begun = site.clock()
    while (left := begun + pace.pause_after(busy) - site.clock()) > 0:
        site.sleep(min(left, _WAIT))
        if left > _WAIT:
            _, work = _look(site, pace, work)
    return work


def _time(call: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    call()
    return clock() - started


#: Rows of a batch. Live queries wait longer beside larger ones.
BATCH: Final = 500
#: Seconds for which a batch is repeated while database or keys are unavailable.
PATIENCE: Final = 300.0
_RETRY: Final = 1.0  # seconds
_PROBES: Final = 30
#: A commit that waits for the log on disk, as the application's do, and writes no row.
_PROBE: Final[LiteralString] = "SELECT pg_logical_emit_message(true, 'strongroom', '')"
_TRANSIENT: Final = (*LOST, KeyUnavailable, ServerError)
_Result = TypeVar("_Result")


class _Batches(Protocol):
    """The batches of one pass."""

    def run_batch(self, connection: Connection) -> object | None:
        """Run one batch; return None if no free range is left."""


class Watch(Protocol):
    """What a worker tells about its pass."""

    def show(self, progress: PassProgress) -> None:
        """Show how far the pass is."""

    def show_rest(self, rest: Rest) -> None:
        """Show how fast the workers are, and what is left."""

    def show_hold(self, reason: str | None) -> None:
        """Show why the worker waits; None if it works."""

    def warn(self, message: str) -> None:
        """Show what a person should know."""


class PassWorker:
    """Worker of one process. Any number of them share a pass."""

    def __init__(
        self,
        context: MigrationContext,
        watch: Watch,
        limits: Limits,
        *,
        duty: float = DEFAULT_DUTY,
        batch: int = BATCH,
    ) -> None:
        """Create a worker. Nothing is read."""
        self._context = context
        self._watch = watch
        self._limits = limits
        self._duty = duty
        self._batch = batch
        self._worker = f"{socket.gethostname()}/{os.getpid()}"
        self._reported: float | None = None

    def run(self, kind: PassKind, pass_: Ranges) -> None:
        """Work until no range of the pass is left."""
        context = self._context
        with context.connect() as connection:
            live = context.read_unchanged_table(connection)
            table = plans.to_table(context.plan, live)
            firing = table_triggers.require(connection, table, context.plan.triggers)
        statements = RowStatements(table, live, reads_back=context.plan.read_back)
        writer = TokenWriter(statements, context.open_cipher(table))
        batches = _build(kind, pass_, writer, self._batch)
        clock, sleep = context.pacing.clock, context.pacing.sleep
        throttle = Throttle(context.name, self._limits, clock, self._watch.warn)
        site = Site(
            run_batch=partial(self._run_batch, firing, batches, pass_),
            is_done=partial(self._with_connection, partial(self._is_done, pass_)),
            throttle=partial(self._with_connection, partial(self._read_throttle, throttle)),
            probe=partial(self._with_connection, partial(_probe, table)),
            clock=clock,
            sleep=sleep,
            report=partial(self._report, pass_),
        )
        run(site, Pace(measure_probes(site, _PROBES), self._duty))
        if isinstance(batches, Backfill):
            while self._write(firing, batches.redo) is not None:
                pass

    def _is_done(self, pass_: Ranges, connection: Connection) -> bool:
        progress = pass_.read_progress(connection)
        self._watch.show(progress)
        return not progress.left

    def _run_batch(self, firing: Firing, batches: _Batches, pass_: Ranges) -> int | None:
        before = pass_.rows
        return None if self._write(firing, batches.run_batch) is None else pass_.rows - before

    def _report(self, pass_: Ranges, work: Work, duty: float, held: str | None) -> None:
        """Store and show how fast the worker is, at most once a second."""
        now = self._context.pacing.clock()
        if self._reported is not None and now - self._reported < work_reports.INTERVAL:
            return
        self._reported = now
        busy = work.busy + work.other
        report = WorkReport(self._worker, work.rows, busy, work.paused, duty, held)

        def write(connection: Connection) -> None:
            if work_reports.exist(connection):
                work_reports.write(connection, pass_.migration, pass_.name, report)
                self._watch.show_rest(pass_.read_rest(connection))

        self._with_connection(write)

    def _read_throttle(self, throttle: Throttle, connection: Connection) -> Reading:
        reading = throttle.read(connection)
        self._watch.show_hold(reading.reason)
        return reading

    def _write(self, firing: Firing, call: Callable[[Connection], _Result]) -> _Result:
        """Call *call* as :meth:`_with_connection` does, in a transaction that may fire triggers."""

        def write(connection: Connection) -> _Result:
            with connection.transaction():
                if firing.as_replica:
                    connection.execute(table_triggers.AS_REPLICA)
                done = call(connection)
                # The locks of what was written let no trigger in until this transaction ends.
                now = table_triggers.look(connection, firing)
                now.require(self._context.plan.triggers)
                if now.fired:
                    state_table.note_fired(connection, self._context.name, map(str, now.fired))
                return done

        return self._with_connection(write)

    def _with_connection(self, call: Callable[[Connection], _Result]) -> _Result:
        """Call *call* with a connection, again while database or keys are unavailable."""
        clock, sleep = self._context.pacing.clock, self._context.pacing.sleep
        end = clock() + PATIENCE
        while True:
            try:
                with self._context.connect() as connection:
                    return call(connection)
            except _TRANSIENT:
                if clock() >= end:
                    raise
            sleep(_RETRY)


def _build(kind: PassKind, pass_: Ranges, writer: TokenWriter, batch: int) -> _Batches:
    builders: dict[PassKind, Callable[[Ranges, TokenWriter, int], _Batches]] = {
        PassKind.BACKFILL: Backfill,
        PassKind.VERIFIED_BACKFILL: VerifiedBackfill,
        PassKind.VERIFY: Verification,
        PassKind.NULL: Nulling,
        PassKind.RESTORE: Restoration,
    }
    return builders[kind](pass_, writer, batch)


def probe_query(table: MigratedTable) -> Composed:
    """Return the query of the probes, which reads one row by the key.

    Any row would be one behind all versions that the batches have left at the table's start.
    """
    key = SQL(", ").join(Identifier(name) for name in table.key)
    return SQL("SELECT FROM {} ORDER BY {} LIMIT 1").format(table.identifier, key)


def _probe(table: MigratedTable, connection: Connection) -> None:
    """Run a short transaction on the table, as the application does."""
    with connection.transaction():
        connection.execute(probe_query(table))
        connection.execute(_PROBE)
