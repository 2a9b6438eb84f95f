"""Status of a migration, as any shell can read it from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from migration import state_table
from migration.guard import recorded_writes
from migration.guard.recorded_writes import BypassingWriter
from migration.migration_context import MigrationContext
from migration.passes import ranges
from migration.passes.ranges import PassProgress, Ranges
from migration.passes.work_reports import Rest
from migration.state_table import Event, State


@dataclass(frozen=True, slots=True)
class Status:
    """Status of a migration."""

    state: State | None
    running: str | None
    progress: PassProgress
    rest: Rest
    writers: Sequence[BypassingWriter]
    events: Sequence[Event]


def read(context: MigrationContext, connection: Connection) -> Status:
    """Return the status of the migration of *context*."""
    name, none = context.name, (PassProgress(0, 0, 0, 0), Rest(0.0))
    if not state_table.exist(connection):
        return Status(None, None, *none, (), ())
    state, running = context.read_state(connection), ranges.find_open(connection, name)
    pass_ = None if running is None else Ranges(name, running)
    return Status(
        state,
        running,
        *(
            none
            if pass_ is None
            else (pass_.read_progress(connection), pass_.read_rest(connection))
        ),
        recorded_writes.read_writers(connection, name),
        state_table.read_events(connection, name),
    )
