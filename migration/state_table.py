"""State of each migration, in the database that it changes, where every shell and worker finds it.

A command names the stage that it changes, so that of two commands one wins. Each change
leaves an event with the user of its session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from app_integration.errors import ConfigurationError
from migration.guard.definition import Definition
from migration.stage import Stage
from migration.table.column_rules import ColumnRules

#: What the table of states has not that an earlier version made.
_ADDED: Final[LiteralString] = """
    ALTER TABLE strongroom_migration.migrations
        ADD COLUMN IF NOT EXISTS lifted jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN IF NOT EXISTS snapshot jsonb NOT NULL DEFAULT '{}'
"""
#: Statements that create the tables of states and events.
TABLES: Final[LiteralString] = f"""
    CREATE TABLE IF NOT EXISTS strongroom_migration.migrations (
        name text PRIMARY KEY,
        plan jsonb NOT NULL,
        stage text NOT NULL,
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        guard jsonb NOT NULL,
        is_paused boolean NOT NULL DEFAULT false,
        duty double precision CHECK (duty > 0 AND duty <= 1)
    );
    {_ADDED};
    CREATE TABLE IF NOT EXISTS strongroom_migration.events (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        migration text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        by text NOT NULL DEFAULT session_user,
        event text NOT NULL
    )
"""
_BEGIN: Final[LiteralString] = """
    INSERT INTO strongroom_migration.migrations (name, plan, stage, guard, snapshot)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
_ADVANCE: Final[LiteralString] = """
    UPDATE strongroom_migration.migrations
    SET stage = %s, since = clock_timestamp(), guard = coalesce(%s, guard)
    WHERE name = %s AND stage = %s
"""
_PAUSE: Final[LiteralString] = """
    UPDATE strongroom_migration.migrations SET is_paused = %s WHERE name = %s AND is_paused <> %s
"""
_THROTTLE: Final[LiteralString] = """
    UPDATE strongroom_migration.migrations SET duty = %(duty)s
    WHERE name = %(name)s AND duty IS DISTINCT FROM %(duty)s
"""
_READ: Final[LiteralString] = """
    SELECT stage, since, plan, guard, is_paused, duty, whole
    FROM strongroom_migration.migrations AS m, to_jsonb(m) AS whole
    WHERE name = %s
"""
_LIFTED: Final[LiteralString] = """
    UPDATE strongroom_migration.migrations SET lifted = %s WHERE name = %s
"""
_DELETE: Final[LiteralString] = """
    DELETE FROM strongroom_migration.migrations WHERE name = %s AND stage = %s
"""
_EXIST: Final[LiteralString] = "SELECT to_regclass('strongroom_migration.migrations') IS NOT NULL"
_EVENT: Final[LiteralString] = """
    INSERT INTO strongroom_migration.events (migration, event) VALUES (%s, %s)
"""
_PAUSING_USER: Final[LiteralString] = """
    SELECT by FROM strongroom_migration.events WHERE migration = %s AND event = 'paused'
    ORDER BY number DESC LIMIT 1
"""
_EVENTS: Final[LiteralString] = """
    SELECT at, by, event FROM strongroom_migration.events WHERE migration = %s ORDER BY number
"""


_UNDONE: Final = "undone"
_FIRES: Final = "fires "


class MigrationMoved(ConfigurationError):
    """Another command changed the stage of the migration first. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class State:
    """State of a migration.

    *duty* is from 0 to 1, None for that which a worker was started with; *snapshot* is empty if an
    earlier version began the migration.
    """

    stage: Stage
    since: datetime
    plan: dict[str, Any]
    guard: Definition
    is_paused: bool
    duty: float | None
    lifted: ColumnRules
    snapshot: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a migration's state.

    *event* is the stage that was entered, ``paused``, ``resumed``, ``undone``, ``duty 0.05``,
    ``duty free``, or ``fires …`` for a trigger that passes fire.
    """

    at: datetime
    by: str
    event: str


def begin(
    connection: Connection,
    name: str,
    plan: dict[str, Any],
    guard: Definition,
    snapshot: Mapping[str, str],
) -> None:
    """Record that the migration *name* is guarded."""
    values = (name, Jsonb(plan), Stage.GUARDED, Jsonb(guard.to_json()), Jsonb(dict(snapshot)))
    if not connection.execute(_BEGIN, values).rowcount:
        raise MigrationMoved(f"migration {name}: another command began it first; look at its state")
    connection.execute(_EVENT, (name, Stage.GUARDED))


def advance(
    connection: Connection, name: str, before: Stage, to: Stage, guard: Definition | None = None
) -> None:
    """Record that the migration *name* has entered the stage *to*.

    The caller's transaction has the change that was made.
    """
    changed = None if guard is None else Jsonb(guard.to_json())
    if not connection.execute(_ADVANCE, (to, changed, name, before)).rowcount:
        raise _moved(name, before)
    connection.execute(_EVENT, (name, to))


def pause(connection: Connection, name: str, *, is_paused: bool) -> bool:
    """Let the workers wait, or go on; return False if they did so already."""
    changed = bool(connection.execute(_PAUSE, (is_paused, name, is_paused)).rowcount)
    if changed:
        connection.execute(_EVENT, (name, "paused" if is_paused else "resumed"))
    return changed


def find_pausing_user(connection: Connection, name: str) -> str | None:
    """Return the user of the session that paused the migration *name* last, None if none did."""
    found = connection.execute(_PAUSING_USER, (name,)).fetchone()
    return None if found is None else str(found[0])


def throttle(connection: Connection, name: str, duty: float | None) -> bool:
    """Let each worker work for a part of its time; return False if it did so already."""
    changed = bool(connection.execute(_THROTTLE, {"duty": duty, "name": name}).rowcount)
    if changed:
        connection.execute(_EVENT, (name, f"duty {'free' if duty is None else duty}"))
    return changed


def note_lifted(connection: Connection, name: str, rules: ColumnRules) -> None:
    """Store which rules of old columns were lifted, for the way back."""
    connection.execute(_ADDED)
    connection.execute(_LIFTED, (Jsonb(rules.to_json()), name))


def note_fired(connection: Connection, name: str, triggers: Iterable[str]) -> None:
    """Note once that passes fire *triggers*, as a later session cannot know what these fired."""
    for each in sorted({*triggers} - {*read_fired(connection, name)}):
        connection.execute(_EVENT, (name, f"{_FIRES}{each}"))


def read_fired(connection: Connection, name: str) -> list[str]:
    """Return the triggers that passes fired since the migration *name* began."""
    fired = set[str]()
    for each in read_events(connection, name):
        if each.event == _UNDONE:
            fired.clear()
        elif each.event.startswith(_FIRES):
            fired.add(each.event.removeprefix(_FIRES))
    return sorted(fired)


def end(connection: Connection, name: str, before: Stage) -> None:
    """Delete the state of the migration *name*, and note that it was undone."""
    if not connection.execute(_DELETE, (name, before)).rowcount:
        raise _moved(name, before)
    connection.execute(_EVENT, (name, _UNDONE))


def exist(connection: Connection) -> bool:
    """Return whether the database has the table of states."""
    found = connection.execute(_EXIST).fetchone()
    return bool(found and found[0])


def read(connection: Connection, name: str) -> State | None:
    """Return the state of the migration *name*, None if it was not begun."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_READ, (name,)).fetchone()
    if found is None:
        return None
    # An earlier version stored NOT NULL alone, and no snapshot, in a table without these columns.
    whole = found.pop("whole")
    required = dict.fromkeys(whole.get("required") or ())
    return State(
        stage=Stage(found.pop("stage")),
        guard=Definition.from_json(found.pop("guard")),
        lifted=ColumnRules(**(whole.get("lifted") or {"required": required})),
        snapshot=whole.get("snapshot") or {},
        **found,
    )


def read_events(connection: Connection, name: str) -> list[Event]:
    """Return what happened to the migration *name*, the first first."""
    with connection.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(_EVENTS, (name,)).fetchall()


def _moved(name: str, before: Stage) -> MigrationMoved:
    return MigrationMoved(f"migration {name}: it is not {before} any more; look at its state")
