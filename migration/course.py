"""Course of a migration from stage to stage, each entered when its condition is proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection

from app_integration.errors import ConfigurationError
from migration import guard_start, index_build, old_columns, state_table, switch
from migration import plan as plans
from migration.forecast import forecast
from migration.guard import recorded_writes, triggers
from migration.migration_context import MigrationContext
from migration.passes import passes, ranges
from migration.passes.passes import PassKind, RunWorkers
from migration.rows import source_sample
from migration.stage import Stage
from migration.table import table_lock, table_triggers
from migration.table.migrated_table import MigratedTable


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a migration does not go on now."""

    stage: Stage
    until: datetime


class Course:
    """Course of one migration.

    Each step can be repeated, so that a command that was killed is continued by the next.
    """

    def __init__(
        self, context: MigrationContext, run: RunWorkers, on_stage: Callable[[Stage], object]
    ) -> None:
        """Create a course. Nothing is read."""
        self._context = context
        self._run = run
        self._on_stage = on_stage
        self._steps: Mapping[Stage, Callable[[], Waiting | None]] = {
            Stage.GUARDED: self._refuse,
            Stage.DUAL_WRITING: self._backfill,
            Stage.BACKFILLED: self._verify,
            Stage.VERIFIED: self._build_indexes,
            Stage.INDEXED: self._switch,
            Stage.SWITCHED: self._null,
            Stage.NULLED: self._drop,
        }

    def advance(self, to: Stage) -> Waiting | None:
        """Go on until the stage *to*; return why it does not go on now, None if *to* is reached."""
        stage = self._context.find_stage()
        while stage is None or stage.is_before(to):
            self._check_table()
            step = self._begin if stage is None else self._steps[stage]
            if waiting := step():
                return waiting
            if stage := self._context.find_stage():
                self._on_stage(stage)
        return None

    def _check_table(self) -> None:
        with self._context.connect() as connection:
            self._context.read_unchanged_table(connection)

    def _begin(self) -> None:
        context = self._context
        with context.lock() as connection:
            live = context.read_table(connection)
            forecast.check_plan(context, connection, live)
            forecast.require_room(forecast.read(context, connection).before_switch)
            table = plans.to_table(context.plan, live)
            table_triggers.require(connection, table, context.plan.triggers)
            # The application encrypts from then on, and creates no key of an index.
            cipher = context.open_cipher(table)
            if table.has_old_tokens:
                cipher.sources.decrypt(source_sample.read(connection, table, live))
            guard_start.begin(connection, context.name, context.document, table, context.pacing)

    def _refuse(self) -> Waiting | None:
        context = self._context
        with context.lock() as connection:
            until = guard_start.refuse(
                connection,
                context.name,
                self._read_table(connection),
                quiet_for=timedelta(seconds=context.plan.quiet_for),
                now=context.read_time(connection),
            )
        return None if until is None else Waiting(Stage.GUARDED, until)

    def _backfill(self) -> None:
        plan = self._context.plan
        kind = PassKind.VERIFIED_BACKFILL if plan.verifies_backfill else PassKind.BACKFILL
        self._run_passes(kind, Stage.DUAL_WRITING, Stage.BACKFILLED)

    def _verify(self) -> None:
        context = self._context
        with context.lock() as connection:
            if passes.found_nothing_wrong(connection, context.name, PassKind.VERIFIED_BACKFILL):
                self._enter(connection, Stage.BACKFILLED, Stage.VERIFIED)
                return
        self._run_passes(PassKind.VERIFY, Stage.BACKFILLED, Stage.VERIFIED)

    def _build_indexes(self) -> None:
        context = self._context
        with context.lock() as connection:
            index_build.build(connection, self._read_table(connection), context.pacing)
            self._enter(connection, Stage.VERIFIED, Stage.INDEXED)

    def _switch(self) -> None:
        context = self._context
        with context.lock() as connection:
            live = context.read_table(connection)
            table = plans.to_table(context.plan, live)
            try:
                switch.switch(connection, context.name, table, live, context.pacing)
            except switch.TokensMissing:
                # So that the passes find their rows.
                with connection.transaction():
                    ranges.forget(connection, context.name)
                    state_table.advance(connection, context.name, Stage.INDEXED, Stage.DUAL_WRITING)

    def _null(self) -> None:
        context = self._context
        with context.lock() as connection:
            lifted = context.require_stage(connection, Stage.SWITCHED).lifted
            table = self._read_table(connection)
            switch.check_guard(connection, context.name, table)
            forecast.require_room(forecast.read(context, connection).nulling)
            old_columns.clear_leftovers(connection, context.name, table, lifted, context.pacing)
        passes.run_until_right(context, table, PassKind.NULL, self._run)
        with context.lock() as connection:
            context.require_stage(connection, Stage.SWITCHED)
            switch.check_guard(connection, context.name, table)
            # A copy that was made during the passes would stay.
            context.check_dependents(connection)
            try:
                old_columns.refuse_plaintext(connection, table, context.pacing)
            except old_columns.PlaintextLeft:
                # So that the next command removes it by another pass.
                ranges.forget(connection, context.name)
                raise
            old_columns.forget_samples(connection, table)
            self._enter(connection, Stage.SWITCHED, Stage.NULLED)

    def _drop(self) -> None:
        context = self._context

        def make(held: Connection) -> None:
            table = self._read_table(held)
            for statement in triggers.drop(table, context.name):
                held.execute(statement)
            old_columns.drop(held, table)
            recorded_writes.forget(held, context.name)
            ranges.forget(held, context.name)
            state_table.advance(held, context.name, Stage.NULLED, Stage.DROPPED)

        with context.lock() as connection:
            context.require_stage(connection, Stage.NULLED)
            live = context.read_table(connection)
            table = plans.to_table(context.plan, live)
            old_columns.ensure_refused(connection, table, live, context.pacing)
            table_lock.change(connection, table, make, context.pacing)

    def _run_passes(self, kind: PassKind, before: Stage, to: Stage) -> None:
        context = self._context
        with context.connect() as connection:
            table = self._read_table(connection)
        passes.run_until_right(context, table, kind, self._run)
        with context.lock() as connection:
            self._enter(connection, before, to)

    def _enter(self, connection: Connection, before: Stage, to: Stage) -> None:
        with connection.transaction():
            state_table.advance(connection, self._context.name, before, to)

    def _read_table(self, connection: Connection) -> MigratedTable:
        return plans.to_table(self._context.plan, self._context.read_table(connection))


def check_order(context: MigrationContext, to: Stage) -> None:
    """Check that what takes old values away follows the stage before it.

    Each of them needs another version of the application.
    """
    before = {Stage.NULLED: Stage.SWITCHED, Stage.DROPPED: Stage.NULLED}.get(to)
    if before is None:
        return
    with context.connect() as connection:
        stage = context.require_state(connection).stage
    if stage.is_before(before):
        raise ConfigurationError(
            f"migration {context.name}: it is {stage}, and becomes {to} only after {before}; run"
            " the command without the option first"
        )
