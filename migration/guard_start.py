"""Begin of a migration under its guard, and the time from which the guard refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from app_integration.errors import ConfigurationError
from migration import state_table
from migration.guard import definition, recorded_writes, triggers
from migration.guard.triggers import Mode
from migration.passes import ranges
from migration.stage import Stage
from migration.state_table import State
from migration.table import snapshot, table_lock
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing

_SCHEMA: Final[LiteralString] = f"CREATE SCHEMA IF NOT EXISTS {triggers.SCHEMA}"


#: Owners of the schema and of what is in it, other than this role.
_OWNERS: Final[LiteralString] = """
    WITH named AS (SELECT oid, nspowner FROM pg_namespace WHERE nspname = %s), owners AS (
        SELECT nspowner AS owner FROM named
        UNION SELECT relowner FROM pg_class JOIN named ON relnamespace = named.oid
        UNION SELECT proowner FROM pg_proc JOIN named ON pronamespace = named.oid
    )
    SELECT owner::regrole::text FROM owners WHERE owner <> current_user::regrole ORDER BY 1
"""


def begin(
    connection: Connection, name: str, plan: dict[str, Any], table: MigratedTable, pacing: Pacing
) -> None:
    """Add the new columns of *table* and its guard, in one transaction.

    A token that is written before the guard is there may become stale, and nothing would find it.
    """
    _check_schema(connection)
    for statement in (_SCHEMA, state_table.TABLES, recorded_writes.TABLES, ranges.TABLE):
        connection.execute(statement)
    # Before the table is held. What others change until then is named at the end.
    before = snapshot.read(connection, table)

    def install(connection: Connection) -> None:
        for statement in (*_add_columns(table), *triggers.install(table, name)):
            connection.execute(statement)
        guard = definition.read(connection, table, name)
        state_table.begin(connection, name, plan, guard, before)

    table_lock.change(connection, table, install, pacing)


def quiet_since(connection: Connection, name: str, state: State) -> datetime:
    """Return the time since which no writer bypassed the migration."""
    last = [each.last for each in recorded_writes.read_writers(connection, name)]
    return max([state.since, *last])


def refuse(
    connection: Connection,
    name: str,
    table: MigratedTable,
    *,
    quiet_for: timedelta,
    now: datetime,
) -> datetime | None:
    """Let the guard refuse bypassing writers, if none came for *quiet_for*.

    It returns None if the guard refuses now, else the time on the server's clock from which it may,
    if no writer bypasses until then.
    """
    state = state_table.read(connection, name)
    if state is None or state.stage is not Stage.GUARDED:
        raise state_table.MigrationMoved(f"migration {name}: it is not guarded; look at its state")
    earliest = quiet_since(connection, name, state) + quiet_for
    if now < earliest:
        return earliest
    with connection.transaction():
        for statement in triggers.functions(table, name, Mode.REFUSE):
            connection.execute(statement)
        guard = definition.read(connection, table, name)
        state_table.advance(connection, name, Stage.GUARDED, Stage.DUAL_WRITING, guard)
    return None


def _check_schema(connection: Connection) -> None:
    """Check that no other role owns the schema of migrations, or something in it.

    The guard writes to its tables with the rights of the owner, and so would run a trigger that
    another user put there.
    """
    strangers = [owner for (owner,) in connection.execute(_OWNERS, (triggers.SCHEMA,))]
    if strangers:
        raise ConfigurationError(
            f"the schema {triggers.SCHEMA} has objects of {', '.join(strangers)}; look at them, and"
            " give them to the owner of the table, or drop them"
        )


def _add_columns(table: MigratedTable) -> Iterator[Composed]:
    for column, type_ in table.added.items():
        yield SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
            table.identifier, Identifier(column), SQL(type_)
        )
