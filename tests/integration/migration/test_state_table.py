"""Begin of a migration on a real PostgreSQL, its stages, and who moves them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL

from app_integration.errors import ConfigurationError
from migration import error_text, guard_start, state_table
from migration.guard import definition, triggers
from migration.stage import Stage
from migration.state_table import MigrationMoved, State
from migration.table.column_rules import ColumnRules
from migration.table.migrated_table import MigratedColumn, MigratedTable
from migration.table.table_lock import Pacing, TableLockNotTaken
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.earlier_state import as_earlier_version

pytestmark = pytest.mark.requires("embedded")

USERS: Final = MigratedTable(
    "public", "users", ("id",), (MigratedColumn("email", "email_token", ("id",)),)
)
PLAN: Final = {"migration": "users", "table": "users"}
NAME: Final = "users"
HOUR: Final = timedelta(hours=1)
AT_ONCE: Final = Pacing(lambda: 0.0, lambda _: None, lambda: 0.0, patience=0.0)


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute("CREATE TABLE users (id int PRIMARY KEY, email text)")
        yield connection
        connection.execute("DROP TABLE users")
        connection.execute("DROP SCHEMA IF EXISTS strongroom_migration CASCADE")


def begin(connection: Connection) -> State:
    guard_start.begin(connection, NAME, PLAN, USERS, AT_ONCE)
    return state(connection)


def state(connection: Connection) -> State:
    found = state_table.read(connection, NAME)
    assert found is not None
    return found


def test_begin_adds_columns_guard_and_state_together(connection: Connection) -> None:
    begun = begin(connection)
    assert (begun.stage, begun.plan, begun.is_paused) == (Stage.GUARDED, PLAN, False)
    assert begun.guard == definition.read(connection, USERS, NAME)
    connection.execute("INSERT INTO users VALUES (1, 'a@example.com')")
    assert guard_start.quiet_since(connection, NAME, begun) > begun.since


def test_second_begin_changes_nothing(connection: Connection) -> None:
    begun = begin(connection)
    with pytest.raises(psycopg.errors.DuplicateColumn):
        begin(connection)
    assert state(connection) == begun


def test_begin_on_a_busy_table_changes_nothing(
    connection: Connection, database: OwnDatabase
) -> None:
    with database.connect() as reader, reader.transaction():
        reader.execute("SELECT * FROM users")
        with pytest.raises(TableLockNotTaken):
            begin(connection)
    assert state_table.read(connection, NAME) is None
    found = definition.read(connection, USERS, NAME)
    assert (set(found.triggers.values()), found.functions) == ({""}, {})


@pytest.mark.parametrize(
    "squatted",
    [
        "CREATE SCHEMA strongroom_migration AUTHORIZATION mallory",
        """
        CREATE SCHEMA strongroom_migration;
        CREATE TABLE strongroom_migration.bypasses (a int);
        ALTER TABLE strongroom_migration.bypasses OWNER TO mallory
        """,
    ],
)
def test_begin_in_the_schema_of_somebody_else_changes_nothing(
    connection: Connection, squatted: LiteralString
) -> None:
    connection.execute("CREATE ROLE mallory")
    connection.execute(squatted)
    with pytest.raises(ConfigurationError, match="has objects of mallory"):
        begin(connection)
    found = definition.read(connection, USERS, NAME)
    assert set(found.triggers.values()) == {""}
    connection.execute("DROP SCHEMA strongroom_migration CASCADE; DROP ROLE mallory")


def test_guard_refuses_only_after_a_quiet_time(connection: Connection) -> None:
    begun = begin(connection)
    connection.execute("INSERT INTO users VALUES (1, 'a@example.com')")
    last = guard_start.quiet_since(connection, NAME, begun)
    assert refuse(connection, last + HOUR - timedelta(seconds=1)) == last + HOUR
    assert state(connection).stage is Stage.GUARDED
    assert refuse(connection, last + HOUR) is None
    refusing = state(connection)
    assert refusing.stage is Stage.DUAL_WRITING
    now = definition.read(connection, USERS, NAME)
    assert list(definition.find_changes(refusing.guard, now)) == []
    with pytest.raises(psycopg.Error, match="brought no new token") as caught:
        connection.execute("UPDATE users SET email = 'b@example.com'")
    assert caught.value.sqlstate == error_text.REFUSED


def test_of_two_commands_one_moves_the_stage(connection: Connection) -> None:
    begin(connection)
    state_table.advance(connection, NAME, Stage.GUARDED, Stage.DUAL_WRITING)
    with pytest.raises(MigrationMoved, match="it is not guarded any more"):
        state_table.advance(connection, NAME, Stage.GUARDED, Stage.DUAL_WRITING)
    with pytest.raises(MigrationMoved, match="it is not guarded"):
        refuse(connection, datetime.now(UTC) + 2 * HOUR)


def test_each_change_leaves_an_event(connection: Connection) -> None:
    begin(connection)
    assert state_table.pause(connection, NAME, is_paused=True)
    assert not state_table.pause(connection, NAME, is_paused=True)
    assert state(connection).is_paused
    assert state_table.pause(connection, NAME, is_paused=False)
    state_table.advance(connection, NAME, Stage.GUARDED, Stage.DUAL_WRITING)
    events = state_table.read_events(connection, NAME)
    assert [each.event for each in events] == ["guarded", "paused", "resumed", "dual-writing"]
    assert {each.by for each in events} == {"postgres"}


def test_duty_is_stored_and_removed(connection: Connection) -> None:
    assert begin(connection).duty is None
    assert state_table.throttle(connection, NAME, 0.05)
    assert not state_table.throttle(connection, NAME, 0.05)
    assert state(connection).duty == 0.05
    for duty in (0.0, 1.1, float("nan")):
        with pytest.raises(psycopg.errors.CheckViolation):
            state_table.throttle(connection, NAME, duty)
    assert state_table.throttle(connection, NAME, None)
    assert state(connection).duty is None
    events = [each.event for each in state_table.read_events(connection, NAME)]
    assert events == ["guarded", "duty 0.05", "duty free"]


def test_guard_that_was_off_for_one_write_is_found(connection: Connection) -> None:
    installed = begin(connection).guard
    for way in ("DISABLE", "ENABLE ALWAYS"):
        connection.execute(SQL(f"ALTER TABLE users {way} TRIGGER {triggers.BEFORE_UPDATE}"))
    now = definition.read(connection, USERS, NAME)
    assert list(definition.find_changes(installed, now)) == [
        f"trigger {triggers.BEFORE_UPDATE} on public.users was switched off or replaced since"
    ]


def test_second_migration_begins_beside_one_of_an_earlier_version(connection: Connection) -> None:
    begin(connection)
    as_earlier_version(connection, NAME)
    others = replace(USERS, name="others")
    connection.execute("CREATE TABLE others (id int PRIMARY KEY, email text)")
    guard_start.begin(connection, "others", PLAN, others, AT_ONCE)
    found = state_table.read(connection, "others")
    assert found is not None
    assert "column email of table public.others" in found.snapshot
    assert (state(connection).snapshot, state(connection).lifted) == ({}, ColumnRules())
    connection.execute("DROP TABLE others")


def refuse(connection: Connection, now: datetime) -> datetime | None:
    return guard_start.refuse(connection, NAME, USERS, quiet_for=HOUR, now=now)
