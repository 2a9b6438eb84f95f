"""The guard of a table whose tokens become plaintext, on a real PostgreSQL.

Tokens are stand-ins, as the guard has no keys: any bytes that differ are another token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, LiteralString

import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from migration.guard import definition, recorded_writes, triggers
from migration.guard.triggers import Mode
from migration.rows.row_statements import RowStatements
from migration.table import live_table
from migration.table.migrated_table import DecryptedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.refused_write import check_refused

pytestmark = pytest.mark.requires("embedded")


def decrypted(name: str, type_: str, context: tuple[str, ...]) -> MigratedColumn:
    column = DecryptedColumn(type_, f"{name}_token_hash")
    return MigratedColumn(f"{name}_token", name, (), context, decrypted=column)


PEOPLE: Final = MigratedTable(
    "public",
    "people",
    ("id",),
    (decrypted("email", "text", ("id",)), decrypted("note", "json", ("id",))),
    old_values="old tokens",
    new_values="plaintext",
    new_value="plaintext",
)
EVENTS: Final = MigratedTable(
    "public", "events", ("id", "year"), (decrypted("guest", "text", ("id", "year")),)
)
_SETUP: LiteralString = """
    CREATE TABLE people (
        id int PRIMARY KEY, visits int, email_token bytea, email text, email_token_hash bytea,
        note_token bytea, note json, note_token_hash bytea
    );
    CREATE TABLE events (
        id int, year int, guest_token bytea, guest text, guest_token_hash bytea,
        PRIMARY KEY (id, year)
    ) PARTITION BY LIST (year);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2);
    CREATE SCHEMA strongroom_migration;
    CREATE ROLE old_importer LOGIN;
    GRANT ALL ON people, events TO old_importer;
"""
_ROWS: LiteralString = """
    INSERT INTO people (id, visits, email_token, email, note_token, note)
        VALUES (1, 0, 'e1', 'ada', 'n1', '{}'), (2, 0, NULL, NULL, NULL, NULL);
    INSERT INTO events (id, year, guest_token, guest) VALUES (1, 1, 'g1', 'Ada');
"""


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    """Return a connection in whose transaction both tables are guarded, as another user writes."""
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(_SETUP)
        connection.execute(recorded_writes.TABLES)
        for table in (PEOPLE, EVENTS):
            for statement in triggers.install(table, table.name):
                connection.execute(statement)
        connection.execute(_ROWS)
        connection.execute("SET SESSION AUTHORIZATION old_importer")
        yield connection
        connection.execute("RESET SESSION AUTHORIZATION")


def own(connection: Connection, *statements: LiteralString) -> None:
    """Execute statements as the owner of the tables."""
    connection.execute("RESET SESSION AUTHORIZATION")
    for statement in statements:
        connection.execute(statement)


def refuse(connection: Connection) -> None:
    connection.execute("RESET SESSION AUTHORIZATION")
    for statement in triggers.functions(PEOPLE, "people", Mode.REFUSE):
        connection.execute(statement)
    connection.execute("SET SESSION AUTHORIZATION old_importer")


def reports(connection: Connection, table: MigratedTable = PEOPLE) -> int:
    connection.execute("RESET SESSION AUTHORIZATION")
    return sum(each.writes for each in recorded_writes.read_writers(connection, table.name))


def stale(connection: Connection) -> list[Any]:
    """Return the rows whose e-mail is there, and not of the token that they have."""
    query: LiteralString = """
        SELECT id, email FROM people
        WHERE email IS NOT NULL AND email_token_hash IS DISTINCT FROM sha256(email_token)
    """
    return connection.execute(query).fetchall()


CORRECT: Final[dict[str, LiteralString]] = {
    "update": "UPDATE people SET email = 'bob', email_token = 'e2' WHERE id = 1",
    "equal value": "UPDATE people SET email = 'ada', email_token = 'e2' WHERE id = 1",
    "equal value of a type without equality": """
        UPDATE people SET note = '{}', note_token = 'n2' WHERE id = 1
    """,
    "plaintext alone": "UPDATE people SET email = 'bob'",
    "equal plaintext alone": "UPDATE people SET email = email, note = note",
    "another column": "UPDATE people SET visits = visits + 1",
    "equal token": "UPDATE people SET email_token = email_token",
    "null": "UPDATE people SET email = NULL, email_token = NULL",
    "value in place of null": "UPDATE people SET email = 'bob', email_token = 'e2' WHERE id = 2",
    "token that is removed": "UPDATE people SET email = email, email_token = NULL",
    "insert": "INSERT INTO people (id, email_token, email) VALUES (3, 'e3', 'c')",
    "insert of plaintext alone": "INSERT INTO people (id, email) VALUES (3, 'c')",
    "insert of nulls": "INSERT INTO people (id) VALUES (3)",
    "delete": "DELETE FROM people",
    "new key": "UPDATE people SET id = 7, email_token = 'e2', email = 'ada' WHERE id = 1",
    "upsert": """
        INSERT INTO people (id, email_token, email) VALUES (1, 'e2', 'ada')
        ON CONFLICT (id) DO UPDATE SET email_token = excluded.email_token, email = excluded.email
    """,
    "upsert of another column": """
        INSERT INTO people (id, email_token) VALUES (1, 'e2')
        ON CONFLICT (id) DO UPDATE SET visits = people.visits + 1
    """,
    "merge": """
        MERGE INTO people USING (VALUES (1), (3)) AS source (id) ON people.id = source.id
        WHEN MATCHED THEN UPDATE SET email = 'ada', email_token = 'e2'
        WHEN NOT MATCHED THEN INSERT (id, email, email_token) VALUES (source.id, 'c', 'e3')
    """,
}
BYPASSES: Final[dict[str, LiteralString]] = {
    "update": "UPDATE people SET email_token = 'e2' WHERE id = 1",
    "null": "UPDATE people SET email_token = NULL WHERE id = 1",
    "token in place of null": "UPDATE people SET email_token = 'e2' WHERE id = 2",
    "other column": "UPDATE people SET note_token = 'n2' WHERE id = 1",
    "other plaintext": "UPDATE people SET email_token = 'e2', note = '{}' WHERE id = 1",
    "plaintext that is removed": "UPDATE people SET email = NULL WHERE id = 1",
    "token without plaintext": "UPDATE people SET email = NULL, email_token = 'e2' WHERE id = 1",
    "hash that is removed": "UPDATE people SET email_token_hash = NULL WHERE id = 1",
    "new key": "UPDATE people SET id = 7, email_token = 'e2' WHERE id = 1",
    "insert": "INSERT INTO people (id, email_token) VALUES (3, 'e3')",
    "upsert": """
        INSERT INTO people (id, email_token, email) VALUES (1, 'e2', 'bob')
        ON CONFLICT (id) DO UPDATE SET email_token = excluded.email_token
    """,
    "merge": """
        MERGE INTO people USING (VALUES (1)) AS source (id) ON people.id = source.id
        WHEN MATCHED THEN UPDATE SET email_token = 'e2'
    """,
}


@pytest.mark.parametrize("statement", CORRECT.values(), ids=CORRECT)
@pytest.mark.parametrize("mode", Mode)
def test_write_that_names_the_renewing_passes(
    connection: Connection, mode: Mode, statement: LiteralString
) -> None:
    if mode is Mode.REFUSE:
        refuse(connection)
    connection.execute(statement)
    assert reports(connection) == 0
    assert stale(connection) == []
    lacking = RowStatements(PEOPLE, live_table.read(connection, "public", "people")).read_range(
        connection, None, None, 10, incomplete=True
    )
    assert not lacking


@pytest.mark.parametrize("statement", BYPASSES.values(), ids=BYPASSES)
def test_write_of_a_token_alone_is_queued_and_leaves_no_stale_plaintext(
    connection: Connection, statement: LiteralString
) -> None:
    connection.execute(statement)
    assert stale(connection) == []
    assert reports(connection) == 1
    keys = recorded_writes.take(connection, "people", 10)
    statements = RowStatements(PEOPLE, live_table.read(connection, "public", "people"))
    lacking = statements.read_keys(connection, keys)
    assert len(lacking) == (0 if "email_token = NULL WHERE" in statement else 1)


@pytest.mark.parametrize("statement", BYPASSES.values(), ids=BYPASSES)
def test_write_of_a_token_alone_is_refused_with_its_writer(
    connection: Connection, statement: LiteralString
) -> None:
    refuse(connection)
    message = "brought no plaintext; its user is old_importer"
    check_refused(connection, "people", statement, message)


def test_row_that_waits_for_its_backfill_takes_other_writes(connection: Connection) -> None:
    connection.execute("INSERT INTO people (id, email_token) VALUES (3, 'e3')")
    connection.execute("DELETE FROM people WHERE id < 3")
    own(connection, "DELETE FROM strongroom_migration.bypasses")
    refuse(connection)
    connection.execute("UPDATE people SET visits = 1, note = '{}', note_token = 'n'")
    assert reports(connection) == 0
    connection.execute("UPDATE people SET email = 'c'")
    assert stale(connection) == []


def test_copied_rows_are_queued(connection: Connection) -> None:
    with connection.cursor().copy("COPY people (id, email_token) FROM STDIN") as copy:
        for number in range(3, 103):
            copy.write_row((number, "\\x00"))
    assert reports(connection) == 100


def test_copied_hash_of_another_token_is_queued(connection: Connection) -> None:
    columns = "id, email_token, email, email_token_hash"
    with connection.cursor().copy(f"COPY people ({columns}) FROM STDIN") as copy:
        copy.write_row((3, b"e3", "c", b"of another"))
    assert reports(connection) == 1


def test_writes_of_a_replica_are_queued(connection: Connection) -> None:
    own(connection, "SET session_replication_role = replica", BYPASSES["update"])
    assert (stale(connection), reports(connection)) == ([], 1)


def test_correct_writes_of_a_replica_pass(connection: Connection) -> None:
    own(connection, "SET session_replication_role = replica", CORRECT["equal value"])
    assert (stale(connection), reports(connection)) == ([], 0)


# What the last trigger changes is found after the update, and voiding it is no other bypass.
@pytest.mark.parametrize("name", ["aaa", "zzzz"])
def test_token_that_another_trigger_changes_is_queued(
    connection: Connection, name: LiteralString
) -> None:
    function: LiteralString = """
        CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.email_token := NEW.email_token || 'x'; RETURN NEW; END $$
    """
    trigger: LiteralString = """
        CREATE TRIGGER {} BEFORE UPDATE ON people
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change()
    """
    own(connection, function)
    connection.execute(SQL(trigger).format(SQL(name)))
    connection.execute("UPDATE people SET visits = 1 WHERE id = 1")
    assert stale(connection) == []
    assert reports(connection) >= 1


def test_plaintext_that_another_trigger_changes_is_named_by_the_writer(
    connection: Connection,
) -> None:
    own(
        connection,
        """
        CREATE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.email := lower(NEW.email); RETURN NEW; END $$
        """,
        """
        CREATE TRIGGER aaa BEFORE INSERT OR UPDATE ON people
        FOR EACH ROW EXECUTE FUNCTION lower_email()
        """,
        "UPDATE people SET email = 'BOB', email_token = 'e2' WHERE id = 1",
        "UPDATE people SET visits = 1",
    )
    assert (stale(connection), reports(connection)) == ([], 0)
    connection.execute("UPDATE people SET email_token = 'e3' WHERE id = 1")
    assert (stale(connection), reports(connection)) == ([], 1)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ("guest_token = 'g2'", 1),
        ("year = 2, guest_token = 'g2'", 2),
        ("year = 2, guest_token = NULL", 1),
        ("year = 2", 0),
        ("year = 2, guest_token = 'g2', guest = 'Ada'", 0),
        ("guest_token = 'g2', guest = 'Ada'", 0),
    ],
)
def test_write_to_a_partition(connection: Connection, change: LiteralString, count: int) -> None:
    connection.execute(SQL("UPDATE events SET {}").format(SQL(change)))
    assert reports(connection, EVENTS) == count
    kept = connection.execute(
        "SELECT guest, guest_token_hash IS NOT DISTINCT FROM sha256(guest_token) FROM events"
    ).fetchall()
    is_nothing = change.endswith("NULL")
    assert kept == [("Ada", True)] if not count else kept == [(None, is_nothing)]


def test_later_trigger_and_a_move_to_another_partition_keep_the_hash(
    connection: Connection,
) -> None:
    own(
        connection,
        """
        CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.guest_token := 'g9'; RETURN NEW; END $$
        """,
        """
        CREATE TRIGGER zzzz BEFORE UPDATE ON events
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change()
        """,
        "UPDATE events SET year = 2",
    )
    assert reports(connection, EVENTS) == 1


def test_merge_names_the_columns_of_all_its_actions(connection: Connection) -> None:
    # A limit of the guard: the pass before the switch finds such a row.
    connection.execute("""
        MERGE INTO people USING (VALUES (1, true)) AS source (id, is_new) ON people.id = source.id
        WHEN MATCHED AND source.is_new THEN UPDATE SET email_token = 'e2'
        WHEN MATCHED THEN UPDATE SET email_token = 'e3', email = 'bob'
    """)
    assert reports(connection) == 0
    found = connection.execute("SELECT email, email_token FROM people WHERE id = 1").fetchall()
    assert found == [("ada", b"e2")]


def test_generated_column_of_a_renewing_passes(connection: Connection) -> None:
    own(connection, "ALTER TABLE people ADD folded text GENERATED ALWAYS AS (lower(email)) STORED")
    connection.execute(CORRECT["update"])
    assert reports(connection) == 0


def test_new_partition_has_the_triggers_and_a_disabled_one_is_found(
    connection: Connection,
) -> None:
    own(connection)
    installed = definition.read(connection, EVENTS, "events")
    connection.execute("CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3)")
    newer = definition.read(connection, EVENTS, "events")
    assert list(definition.find_changes(installed, newer)) == []
    (name,) = triggers.trigger_names(EVENTS)[3:]
    connection.execute(SQL("ALTER TABLE events_3 DISABLE TRIGGER {}").format(Identifier(name)))
    now = definition.read(connection, EVENTS, "events")
    assert list(definition.find_changes(installed, now)) == [
        f"trigger {name} on public.events_3 is off or missing"
    ]


def test_changed_function_that_stores_hashes_is_found(connection: Connection) -> None:
    own(connection)
    installed = definition.read(connection, PEOPLE, "people")
    connection.execute("""
        CREATE OR REPLACE FUNCTION strongroom_migration.people_add_hash_1() RETURNS trigger
        LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
    """)
    now = definition.read(connection, PEOPLE, "people")
    assert list(definition.find_changes(installed, now)) == [
        "function people_add_hash_1 was changed"
    ]


def test_dropped_guard_leaves_nothing(connection: Connection) -> None:
    own(connection)
    for _ in range(2):
        for statement in triggers.drop(PEOPLE, "people"):
            connection.execute(statement)
    left = definition.read(connection, PEOPLE, "people")
    assert (set(left.triggers.values()), left.functions) == ({""}, {})
