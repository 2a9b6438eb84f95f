"""Switch of reads to the tokens: what must be proved before it."""

from __future__ import annotations

from psycopg import Connection

from app_integration.errors import ConfigurationError
from migration import state_table
from migration.guard import definition, recorded_writes
from migration.stage import Stage
from migration.table import column_rules, live_table, table_lock
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.predicates import is_incomplete
from migration.table.table_lock import Pacing


class GuardChanged(ConfigurationError):
    """The guard is not as it was installed, so that it proves nothing. Nothing was changed."""


class TokensMissing(ConfigurationError):
    """Rows came without a token after the passes. Nothing was changed."""


def switch(
    connection: Connection, name: str, table: MigratedTable, live: LiveTable, pacing: Pacing
) -> None:
    """Let applications read tokens, if the guard is as it was installed.

    From now on an old column may be NULL, and has no default.
    """
    if live.is_partitioned and live_table.has_row(
        connection, table.identifier, is_incomplete(table, "u")
    ):
        raise TokensMissing(f"migration {name}: rows lack a token; repeat the passes")

    def make(held: Connection) -> None:
        # While nobody else can change the table.
        check_guard(held, name, table)
        # What was written before the guard refused, and committed after the passes, is there now.
        if recorded_writes.is_pending(held, name):
            raise TokensMissing(f"migration {name}: writes are reported; repeat the passes")
        rules = column_rules.read(held, table)
        column_rules.lift(held, table, rules)
        state_table.note_lifted(held, name, rules)
        state_table.advance(held, name, Stage.INDEXED, Stage.SWITCHED)

    table_lock.change(connection, table, make, pacing)


def check_guard(connection: Connection, name: str, table: MigratedTable) -> None:
    """Check that the guard of the migration *name* is as it was installed."""
    state = state_table.read(connection, name)
    if state is None:
        raise state_table.MigrationMoved(f"migration {name}: it was undone; look at its state")
    now = definition.read(connection, table, name)
    if changes := list(definition.find_changes(state.guard, now)):
        raise GuardChanged(
            f"migration {name}: {'; '.join(changes)}. Writes may have passed it: undo the migration"
            " to its begin, and run it again"
        )
