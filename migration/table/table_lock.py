"""The lock that a change of a table's definition needs, taken without holding up its queries.

A statement that waits for the lock makes every later query of the table wait behind it. So the
first attempts do not wait, and the later ones only for milliseconds, which is the longest that
anybody waits for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Literal

from app_integration.errors import ConfigurationError
from migration.table.migrated_table import MigratedTable

#: Milliseconds of an attempt that waits.
_WAIT: Final = 20
#: Attempts that do not wait, because a queue of short transactions may starve them all.
_IMMEDIATE: Final = 30
_PAUSE: Final = 0.05  # seconds between attempts, on average

#: A session of another role is hidden, but for its user, from a user without pg_monitor.
_HOLDERS: Final[LiteralString] = """
    WITH named AS (SELECT format('%%I.%%I', %s::text, %s::text)::regclass AS oid)
    SELECT DISTINCT held.virtualtransaction, activity.pid, activity.usename,
        activity.application_name, activity.state,
        extract(epoch FROM clock_timestamp() - activity.xact_start)::int AS seconds
    FROM named CROSS JOIN pg_locks AS held
    JOIN pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.granted AND held.pid <> pg_backend_pid() AND activity.datname = current_database()
        AND (
            held.relation = named.oid
            OR held.relation IN (SELECT relid FROM pg_partition_tree(named.oid))
        )
    ORDER BY seconds DESC NULLS LAST LIMIT 3
"""


class TableLockNotTaken(ConfigurationError):
    """Others held locks on the table all the time. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """Time and chance between attempts.

    No attempt begins after *patience*, in seconds.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], object]
    random: Callable[[], float]
    patience: float = 60.0


def change(
    connection: Connection,
    table: MigratedTable,
    make: Callable[[Connection], object],
    pacing: Pacing,
) -> int:
    """Call *make* in one transaction that holds *table* alone, and return the attempts.

    *make* is called in each attempt that got the lock, and takes no longer than a change of the
    catalogue.
    """
    attempt, begun, seen = 0, pacing.clock(), set[str]()
    while True:
        attempt += 1
        try:
            with connection.transaction():
                _lock(connection, table, waits=attempt > _IMMEDIATE)
                make(connection)
        except LockNotAvailable:
            seconds = pacing.clock() - begun
            if attempt == 1:
                seen = {each[0] for each in _read_holders(connection, table)}
            if seconds >= pacing.patience:
                holders = [
                    _describe_holder(each, seconds if each[0] in seen else 0)
                    for each in _read_holders(connection, table)
                ]
                raise TableLockNotTaken(_describe(table, attempt, holders)) from None
        else:
            return attempt
        pacing.sleep(_PAUSE * (0.5 + pacing.random()))


def _lock(connection: Connection, table: MigratedTable, *, waits: bool) -> None:
    name = table.identifier
    # Also without waiting here, because the change itself may need a lock on another table.
    connection.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_WAIT)))
    ending = SQL("") if waits else SQL(" NOWAIT")
    connection.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE{}").format(name, ending))


def _describe(table: MigratedTable, attempts: int, holders: list[str]) -> str:
    return (
        f"{table.schema}.{table.name}: {attempts} attempts to lock the table failed, and nothing"
        f" was changed; it is held by {', '.join(holders) or 'nobody any more'}. End long"
        " transactions there, and repeat the command"
    )


def _read_holders(connection: Connection, table: MigratedTable) -> list[tuple[Any, ...]]:
    return connection.execute(_HOLDERS, (table.schema, table.name)).fetchall()


def _describe_holder(row: tuple[Any, ...], seen: float) -> str:
    """Return who has a lock, and its age; *seen* is for how many seconds it was seen."""
    _, pid, user, application, state, seconds = row
    if seconds is None:
        return f"process {pid} of {user} (hidden, for at least {seen:.0f} s)"
    return f"process {pid} of {user} ({application or 'no name'}, {state}, for {seconds} s)"
