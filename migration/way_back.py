"""Way back of a migration, one step at a time, with what was written since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from app_integration.errors import ConfigurationError
from migration import old_columns, state_table
from migration import plan as plans
from migration.guard import definition, recorded_writes, triggers
from migration.guard.triggers import Mode
from migration.migration_context import MigrationContext
from migration.passes import passes, ranges
from migration.passes.passes import PassKind, RunWorkers
from migration.stage import Stage
from migration.state_table import State
from migration.table import constraints, snapshot, table_lock
from migration.table.migrated_table import MigratedTable

#: Changes that are named.
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class BackStep:
    """One step of the way back.

    In its texts, ``{old}`` and ``{new}`` stand for what the old and the new columns have.
    """

    to: Stage | None
    before: str
    then: str


_ACCEPTED: Final = BackStep(
    Stage.SWITCHED,
    "each instance of the application reads {new}",
    "deploy the version that writes {old} and {new} (phase switched), and undo the rest",
)
_RESTORED: Final = BackStep(
    Stage.INDEXED,
    "each instance of the application writes {old} and {new} (phase switched or dual-writing)",
    "let the application read {old} (phase dual-writing)",
)
_TOLERANT: Final = BackStep(
    Stage.GUARDED,
    "each instance of the application reads {old}",
    "deploy the version without the new columns, and undo the rest",
)
_REMOVED: Final = BackStep(
    None,
    "no instance of the application names the new columns",
    "the table is as it was before the migration, and so is what the catalogue has about it",
)
_NOT_COMPARED: Final = (
    "the migration is gone; an earlier version began it, and stored nothing with which the"
    " catalogue could be compared"
)


def next_step(stage: Stage) -> BackStep:
    """Return the step back from *stage*."""
    if stage is Stage.DROPPED:
        raise ConfigurationError(
            "the old columns were dropped, and the new ones have their values; restore a backup"
        )
    if stage is Stage.NULLED:
        return _ACCEPTED
    if stage is Stage.SWITCHED:
        return _RESTORED
    return _REMOVED if stage is Stage.GUARDED else _TOLERANT


def go_back(
    context: MigrationContext, run: RunWorkers, confirmed: BackStep | None = None
) -> BackStep:
    """Make the next step back, and return it.

    *confirmed* is the step whose condition a person confirmed; None stands for any.
    """
    with context.connect() as connection:
        state = context.require_state(connection)
        table = plans.to_table(context.plan, context.read_unchanged_table(connection))
    step = next_step(state.stage)
    if confirmed not in (None, step):
        raise state_table.MigrationMoved(
            f"migration {context.name}: another command went back first; look at its state"
        )
    if step is _ACCEPTED:
        _accept(context, table)
    elif step is _RESTORED:
        _restore(context, table, run)
    elif step is _TOLERANT:
        _tolerate(context, table, state)
    else:
        return replace(step, then=_remove(context, table, state))
    return step


def _accept(context: MigrationContext, table: MigratedTable) -> None:
    """Let rows have old values again, so that a version that writes them can be deployed."""

    def make(held: Connection) -> None:
        constraints.drop(held, table, old_columns.NO_PLAINTEXT)
        # So that a command that goes on again looks for old values by another pass.
        ranges.forget(held, context.name)
        state_table.advance(held, context.name, Stage.NULLED, Stage.SWITCHED)

    with context.lock() as connection:
        table_lock.change(connection, table, make, context.pacing)


def _restore(context: MigrationContext, table: MigratedTable, run: RunWorkers) -> None:
    """Write the old values of each row again."""

    def finish(held: Connection) -> None:
        ranges.forget(held, context.name)
        state_table.advance(held, context.name, Stage.SWITCHED, Stage.INDEXED)

    with context.lock() as connection:
        lifted = context.require_stage(connection, Stage.SWITCHED).lifted
        old_columns.clear_leftovers(connection, context.name, table, lifted, context.pacing)
    passes.run_until_right(context, table, PassKind.RESTORE, run)
    with context.lock() as connection:
        lifted = context.require_stage(connection, Stage.SWITCHED).lifted
        try:
            old_columns.require_values(connection, table, lifted, context.pacing, finish)
        except old_columns.PlaintextMissing:
            # So that the next command restores it by another pass.
            ranges.forget(connection, context.name)
            raise


def _tolerate(context: MigrationContext, table: MigratedTable, state: State) -> None:
    """Let the guard queue what it refused, so that a version without tokens can write."""
    with context.lock() as connection, connection.transaction():
        if state.stage is Stage.INDEXED:
            # From there a switch and a restoration still bring the values back.
            old_columns.check_values(connection, table)
        for statement in triggers.functions(table, context.name, Mode.QUEUE):
            connection.execute(statement)
        guard = definition.read(connection, table, context.name)
        ranges.forget(connection, context.name)
        state_table.advance(connection, context.name, state.stage, Stage.GUARDED, guard)


def _remove(context: MigrationContext, table: MigratedTable, state: State) -> str:
    """Drop the guard, and the columns that the migration added; return what is there then."""
    columns = SQL(", ").join(
        SQL("DROP COLUMN IF EXISTS {}").format(Identifier(each)) for each in table.added
    )

    def make(held: Connection) -> None:
        for statement in triggers.drop(table, context.name):
            held.execute(statement)
        held.execute(SQL("ALTER TABLE {} {}").format(table.identifier, columns))
        recorded_writes.forget(held, context.name)
        ranges.forget(held, context.name)
        state_table.end(held, context.name, Stage.GUARDED)

    with context.lock() as connection:
        fired = state_table.read_fired(connection, context.name)
        old_columns.check_values(connection, table)
        table_lock.change(connection, table, make, context.pacing)
        # After the change, because the table is held during it.
        now = snapshot.read(connection, table)
    if not state.snapshot:
        return _NOT_COMPARED
    changes = [
        *snapshot.find_changes(state.snapshot, now),
        *(f"{each} may have fired for rows that passes wrote" for each in fired),
    ]
    if not changes:
        return _REMOVED.then
    # Braces, because the text is a pattern.
    listed = "; ".join(changes[:_LISTED]).replace("{", "{{").replace("}", "}}")
    more = f"; and {len(changes) - _LISTED} more" if len(changes) > _LISTED else ""
    return f"the migration is gone, but not all is as it was before it: {listed}{more}"
