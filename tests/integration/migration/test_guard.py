"""The guard on a real PostgreSQL: what it lets pass, what it finds, and whom it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from migration.guard import definition, recorded_writes, triggers
from migration.guard.triggers import Mode
from migration.rows.row_statements import RowStatements
from migration.table import live_table
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.refused_write import check_refused

pytestmark = pytest.mark.requires("embedded")

PEOPLE = MigratedTable(
    "public",
    "people",
    ("id",),
    (
        MigratedColumn("email", "email_token", ("id",)),
        MigratedColumn("born", "born_token", ("id", "country")),
    ),
    (IndexedColumn("email_index", "email"),),
    frozenset({"email"}),
)
EVENTS = MigratedTable(
    "public",
    "events",
    ("id", "year"),
    (MigratedColumn("guest", "guest_token", ("id", "year")),),
    inexact=frozenset({"guest"}),
)
_SETUP: LiteralString = """
    CREATE EXTENSION citext;
    CREATE TABLE people (
        id int PRIMARY KEY, email citext, born date, country text, visits int,
        email_token bytea, email_index bytea, born_token bytea
    );
    CREATE TABLE events (id int, year int, guest json, guest_token bytea, PRIMARY KEY (id, year))
        PARTITION BY LIST (year);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2);
    CREATE SCHEMA strongroom_migration;
    CREATE ROLE old_importer LOGIN;
    GRANT ALL ON people, events TO old_importer;
"""
_ROWS: LiteralString = """
    INSERT INTO people VALUES (1, 'ada@example.com', '1815-12-10', 'gb', 0, 'e1', 'i1', 'b1');
    INSERT INTO events VALUES (1, 1, '{"name": "Ada"}', 'g1');
"""


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    """Return a connection in whose transaction both tables are guarded, as another user writes."""
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(_SETUP)
        connection.execute(recorded_writes.TABLES)
        for table in (PEOPLE, EVENTS):
            install(connection, table)
        connection.execute(_ROWS)
        connection.execute("SET SESSION AUTHORIZATION old_importer")
        connection.execute("SET application_name = 'nightly import'")
        yield connection
        connection.execute("RESET SESSION AUTHORIZATION")


def install(connection: Connection, table: MigratedTable) -> None:
    for statement in triggers.install(table, table.name):
        connection.execute(statement)


def refuse(connection: Connection, table: MigratedTable) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    for statement in triggers.functions(table, table.name, Mode.REFUSE):
        connection.execute(statement)
    connection.execute("SET SESSION AUTHORIZATION old_importer")


def writers(connection: Connection, table: MigratedTable) -> list[tuple[str, str, int]]:
    connection.execute("RESET SESSION AUTHORIZATION")
    found = recorded_writes.read_writers(connection, table.name)
    return [(each.writer, each.application, each.writes) for each in found]


CORRECT: dict[str, LiteralString] = {
    "update": "UPDATE people SET email = 'b@example.com', email_token = 'e2', email_index = 'i2'",
    "update whose index value stays": "UPDATE people SET email = 'ADA@x', email_token = 'e2'",
    "update of another column": "UPDATE people SET visits = visits + 1",
    "update with a new token of the same value": "UPDATE people SET born_token = 'b2'",
    "update to null": "UPDATE people SET born = NULL, born_token = NULL",
    "insert": "INSERT INTO people VALUES (2, 'b@x', NULL, 'gb', 0, 'e2', 'i2', NULL)",
    "insert of nulls": "INSERT INTO people (id) VALUES (2)",
    "delete": "DELETE FROM people",
    "new key with new tokens": "UPDATE people SET id = 7, email_token = 'e2', born_token = 'b2'",
    "upsert of another column": """
        INSERT INTO people (id, email) VALUES (1, 'ada@example.com')
        ON CONFLICT (id) DO UPDATE SET visits = people.visits + 1
    """,
    "merge": """
        MERGE INTO people USING (VALUES (1)) AS source (id) ON people.id = source.id
        WHEN MATCHED THEN UPDATE SET email = 'b@x', email_token = 'e2', email_index = 'i2'
    """,
}

BYPASSES: dict[str, LiteralString] = {
    "update": "UPDATE people SET email = 'b@example.com'",
    "update to null": "UPDATE people SET email = NULL",
    "update that the type calls equal": "UPDATE people SET email = 'ADA@example.com'",
    "update of the other column": "UPDATE people SET born = '1815-12-11'",
    "update that drops the token": "UPDATE people SET email = 'b@x', email_token = NULL",
    "new key": "UPDATE people SET id = 7",
    "new context": "UPDATE people SET country = 'fr'",
    "upsert": """
        INSERT INTO people (id, email) VALUES (1, 'b@x')
        ON CONFLICT (id) DO UPDATE SET email = excluded.email
    """,
    "merge": """
        MERGE INTO people USING (VALUES (1)) AS source (id) ON people.id = source.id
        WHEN MATCHED THEN UPDATE SET email = 'b@x'
    """,
    "insert": "INSERT INTO people (id, email) VALUES (2, 'b@x')",
    "insert without index value": """
        INSERT INTO people (id, email, email_token) VALUES (2, 'b@x', 'e2')
    """,
}


@pytest.mark.parametrize("statement", CORRECT.values(), ids=CORRECT)
@pytest.mark.parametrize("mode", Mode)
def test_write_with_new_token_passes(
    connection: Connection, mode: Mode, statement: LiteralString
) -> None:
    if mode is Mode.REFUSE:
        refuse(connection, PEOPLE)
    connection.execute(statement)
    kept = connection.execute("SELECT count(*) FROM people WHERE email_token IS NULL").fetchone()
    assert kept == (1 if "VALUES (2)" in statement else 0,)
    assert writers(connection, PEOPLE) == []


@pytest.mark.parametrize("statement", BYPASSES.values(), ids=BYPASSES)
def test_write_without_token_is_queued_and_leaves_no_stale_token(
    connection: Connection, statement: LiteralString
) -> None:
    connection.execute(statement)
    assert stale_rows(connection) == 0
    assert writers(connection, PEOPLE) == [("old_importer", "nightly import", 1)]


@pytest.mark.parametrize("statement", BYPASSES.values(), ids=BYPASSES)
def test_write_without_token_is_refused_with_its_writer(
    connection: Connection, statement: LiteralString
) -> None:
    refuse(connection, PEOPLE)
    check_refused(connection, "people", statement, "its user is old_importer")


def test_copied_rows_are_queued(connection: Connection) -> None:
    with connection.cursor().copy("COPY people (id, email) FROM STDIN") as copy:
        for number in range(2, 102):
            copy.write_row((number, "b@x"))
    assert writers(connection, PEOPLE) == [("old_importer", "nightly import", 100)]


def test_writes_of_a_replica_are_queued(connection: Connection) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    connection.execute("SET session_replication_role = replica")
    connection.execute(BYPASSES["update"])
    assert stale_rows(connection) == 0
    assert [count for _, _, count in writers(connection, PEOPLE)] == [1]


# What the last trigger changes is found after the update, and voiding its token is reported too.
@pytest.mark.parametrize(("name", "reports"), [("aaa", 1), ("zzzz", 2)])
def test_change_by_another_trigger_is_queued(
    connection: Connection, name: LiteralString, reports: int
) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    connection.execute("""
        CREATE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.email := lower(NEW.email) || '.invalid'; RETURN NEW; END $$
    """)
    statement: LiteralString = """
        CREATE TRIGGER {} BEFORE UPDATE ON people
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lower_email()
    """
    connection.execute(SQL(statement).format(SQL(name)))
    connection.execute("UPDATE people SET visits = 1")
    assert stale_rows(connection) == 0
    assert [count for _, _, count in writers(connection, PEOPLE)] == [reports]


@pytest.mark.parametrize(
    ("change", "reports"),
    [('guest = \'{"name": "Bob"}\'', 1), ("year = 2", 2), ("year = 2, guest = '{}'", 2)],
)
def test_write_to_a_partition_is_queued(
    connection: Connection, change: LiteralString, reports: int
) -> None:
    connection.execute(SQL("UPDATE events SET {}").format(SQL(change)))
    found = connection.execute("SELECT guest_token FROM events").fetchall()
    assert found == [(None,)]
    assert sum(each[-1] for each in writers(connection, EVENTS)) == reports


@pytest.mark.parametrize("year", [1, 3])
def test_write_that_names_a_partition_is_queued(connection: Connection, year: int) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    connection.execute("CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3)")
    connection.execute("INSERT INTO events VALUES (3, 3, '{}', 'g3')")
    connection.execute(SQL("UPDATE {} SET guest = '[]'").format(Identifier(f"events_{year}")))
    found = connection.execute("SELECT guest_token FROM events WHERE year = %s", (year,)).fetchall()
    assert found == [(None,)]
    assert [count for _, _, count in writers(connection, EVENTS)] == [1]


def test_report_is_rolled_back_with_its_write_and_made_again(connection: Connection) -> None:
    connection.execute("SAVEPOINT before")
    connection.execute(BYPASSES["update"])
    connection.execute("ROLLBACK TO SAVEPOINT before")
    assert writers(connection, PEOPLE) == []
    connection.execute("SET SESSION AUTHORIZATION old_importer")
    connection.execute(BYPASSES["update"])
    assert writers(connection, PEOPLE) == [("old_importer", "nightly import", 1)]


def test_each_writer_of_one_transaction_is_named(connection: Connection) -> None:
    connection.execute(BYPASSES["update"])
    connection.execute("SET application_name = 'console'")
    connection.execute(BYPASSES["update of the other column"])
    connection.execute(BYPASSES["insert"])
    connection.execute("RESET SESSION AUTHORIZATION")
    found = recorded_writes.read_writers(connection, "people")
    assert [(each.application, each.operation, each.writes) for each in found] == [
        ("console", "INSERT", 1),
        ("console", "UPDATE", 1),
        ("nightly import", "UPDATE", 1),
    ]


def test_backfilled_row_is_not_queued(connection: Connection) -> None:
    connection.execute("INSERT INTO people (id, email) VALUES (2, 'b@x')")
    connection.execute("UPDATE people SET email_token = 'e', email_index = 'i' WHERE id = 2")
    assert writers(connection, PEOPLE) == [("old_importer", "nightly import", 1)]


TAMPERING: dict[str, tuple[LiteralString, str]] = {
    "disabled trigger": (
        "ALTER TABLE people DISABLE TRIGGER zzz_strongroom_after_insert",
        "trigger zzz_strongroom_after_insert on public.people is off or missing",
    ),
    "trigger that replicas skip": (
        "ALTER TABLE people ENABLE TRIGGER zzz_strongroom_before_update",
        "trigger zzz_strongroom_before_update on public.people is off or missing",
    ),
    "dropped trigger": (
        "DROP TRIGGER zzz_strongroom_after_update ON people",
        "trigger zzz_strongroom_after_update on public.people is off or missing",
    ),
    "narrower trigger": (
        """
        CREATE OR REPLACE TRIGGER zzz_strongroom_after_update AFTER UPDATE ON people FOR EACH ROW
        WHEN (false) EXECUTE FUNCTION strongroom_migration.people_after_update();
        ALTER TABLE people ENABLE ALWAYS TRIGGER zzz_strongroom_after_update
        """,
        "trigger zzz_strongroom_after_update on public.people was changed",
    ),
    "replaced function": (
        """
        CREATE OR REPLACE FUNCTION strongroom_migration.people_after_update() RETURNS trigger
        LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
        """,
        "function people_after_update was changed",
    ),
    "another owner": (
        """
        GRANT CREATE ON SCHEMA strongroom_migration TO old_importer;
        ALTER FUNCTION strongroom_migration.people_before_update() OWNER TO old_importer
        """,
        "function people_before_update was changed",
    ),
}


@pytest.mark.parametrize(("statement", "change"), TAMPERING.values(), ids=TAMPERING)
def test_changed_guard_is_found(
    connection: Connection, statement: LiteralString, change: str
) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    installed = definition.read(connection, PEOPLE, "people")
    assert list(definition.find_changes(installed, installed)) == []
    connection.execute(statement)
    now = definition.read(connection, PEOPLE, "people")
    assert list(definition.find_changes(installed, now)) == [change]


def test_function_of_the_guard_fires_for_no_table_of_a_writer(connection: Connection) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    connection.execute("GRANT USAGE ON SCHEMA strongroom_migration TO old_importer")
    connection.execute("GRANT CREATE ON SCHEMA public TO old_importer")
    connection.execute("SET SESSION AUTHORIZATION old_importer")
    connection.execute("CREATE TABLE mine AS SELECT * FROM people")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute(
            "CREATE TRIGGER mine AFTER UPDATE ON mine FOR EACH ROW"
            " EXECUTE FUNCTION strongroom_migration.people_after_update()"
        )


def test_report_names_the_row_whatever_dates_look_like(connection: Connection) -> None:
    visits = MigratedTable(
        "public",
        "visits",
        ("day", "number"),
        (MigratedColumn("guest", "guest_token", ("day", "number")),),
        times=frozenset({"day"}),
    )
    connection.execute("RESET SESSION AUTHORIZATION")
    connection.execute(
        "CREATE TABLE visits (day date, number int, guest text, guest_token bytea,"
        " PRIMARY KEY (day, number))"
    )
    install(connection, visits)
    connection.execute("SET LOCAL datestyle = 'SQL, DMY'")
    connection.execute("INSERT INTO visits VALUES ('3/4/2026', 1, 'Ada')")
    connection.execute("SET LOCAL datestyle = 'ISO, MDY'")
    keys = recorded_writes.take(connection, "visits", 10)
    statements = RowStatements(visits, live_table.read(connection, "public", "visits"))
    assert statements.read_keys(connection, keys).columns["guest"] == ("Ada",)


def test_changed_guard_of_a_partition_is_found(connection: Connection) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    installed = definition.read(connection, EVENTS, "events")
    connection.execute("CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3)")
    newer = definition.read(connection, EVENTS, "events")
    assert list(definition.find_changes(installed, newer)) == []
    connection.execute("ALTER TABLE events_3 DISABLE TRIGGER zzz_strongroom_before_update")
    now = definition.read(connection, EVENTS, "events")
    assert list(definition.find_changes(installed, now)) == [
        "trigger zzz_strongroom_before_update on public.events_3 is off or missing"
    ]


def test_dropped_guard_leaves_nothing(connection: Connection) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    for _ in range(2):
        for statement in triggers.drop(PEOPLE, "people"):
            connection.execute(statement)
    left = definition.read(connection, PEOPLE, "people")
    assert (set(left.triggers.values()), left.functions) == ({""}, {})


def stale_rows(connection: Connection) -> int:
    """Return the rows of :data:`PEOPLE` that have an old token of something that changed."""
    query: LiteralString = """
        SELECT count(*) FROM people WHERE
            (email_token = 'e1' AND (id, email::bytea) <> (1, 'ada@example.com'::bytea))
            OR (email IS NULL AND (email_token IS NOT NULL OR email_index IS NOT NULL))
            OR (born_token = 'b1' AND (id, born, country) <> (1, '1815-12-10'::date, 'gb'))
    """
    found = connection.execute(query).fetchone()
    assert found is not None
    return int(found[0])
