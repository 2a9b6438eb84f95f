"""Changes of a table that others are using, on a real PostgreSQL."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection

from migration.table import table_lock
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing, TableLockNotTaken
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

ORDERS = MigratedTable("public", "orders", ("id",), ())
ADD: LiteralString = "ALTER TABLE orders ADD COLUMN note_token bytea"


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)")
        yield connection
        connection.execute("DROP TABLE orders")


@pytest.fixture
def reader(database: OwnDatabase, connection: Connection) -> Iterator[Connection]:
    """Return a connection whose open transaction has read the table."""
    assert connection.info.status is psycopg.pq.ConnStatus.OK
    with database.connect() as reader:
        reader.execute("SET application_name = 'monthly report'")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM orders")
        yield reader


def pacing(after: dict[int, Callable[[], object]] | None = None, patience: int = 100) -> Pacing:
    """Return a pacing whose sleeps count as seconds, and run *after* the sleep of that number."""
    sleeps = itertools.count(1)
    seconds = [0]

    def sleep(_: float) -> None:
        seconds[0] = next(sleeps)
        if after and seconds[0] in after:
            after[seconds[0]]()

    return Pacing(lambda: seconds[0], sleep, lambda: 0.5, patience)


def test_unused_table_is_changed_at_once(connection: Connection) -> None:
    assert table_lock.change(connection, ORDERS, add, pacing()) == 1
    assert "note_token" in columns(connection)


@pytest.mark.parametrize("ended_after", [2, 40], ids=["without waiting", "waiting"])
def test_change_is_made_when_the_reader_has_ended(
    connection: Connection, reader: Connection, ended_after: int
) -> None:
    found = pacing({ended_after: reader.rollback})
    assert table_lock.change(connection, ORDERS, add, found) == ended_after + 1
    assert "note_token" in columns(connection)


def test_table_that_stays_locked_is_not_changed(connection: Connection, reader: Connection) -> None:
    message = (
        rf"public\.orders: 41 attempts .*held by process {reader.info.backend_pid} of"
        r" postgres \(monthly report, idle in transaction, for \d+ s\)"
    )
    with pytest.raises(TableLockNotTaken, match=message):
        table_lock.change(connection, ORDERS, add, pacing(patience=40))
    assert "note_token" not in columns(connection)


def test_age_of_a_hidden_transaction_is_told_as_far_as_it_was_seen(
    connection: Connection, reader: Connection
) -> None:
    reader.rollback()
    connection.execute("CREATE ROLE owner; ALTER TABLE orders OWNER TO owner")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM orders")
    connection.execute("SET ROLE owner")
    message = (
        rf"held by process {reader.info.backend_pid} of postgres \(hidden, for at least 40 s\)"
    )
    try:
        with pytest.raises(TableLockNotTaken, match=message):
            table_lock.change(connection, ORDERS, add, pacing(patience=40))
    finally:
        reader.rollback()
        connection.execute("RESET ROLE; REASSIGN OWNED BY owner TO postgres; DROP ROLE owner")


def test_transaction_on_a_partition_is_named(database: OwnDatabase) -> None:
    with database.connect() as connection, database.connect() as reader:
        connection.execute(
            "CREATE TABLE parted (id int) PARTITION BY LIST (id);"
            "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)"
        )
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM parted_1")
        table = MigratedTable("public", "parted", ("id",), ())
        try:
            with pytest.raises(TableLockNotTaken, match=rf"process {reader.info.backend_pid} of"):
                table_lock.change(connection, table, add, pacing(patience=2))
        finally:
            reader.rollback()
            connection.execute("DROP TABLE parted")


@pytest.mark.usefixtures("reader")
def test_no_query_waits_behind_the_attempts(connection: Connection, database: OwnDatabase) -> None:
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        queries = threads.submit(query_until, stopped, database)
        with pytest.raises(TableLockNotTaken):
            table_lock.change(connection, ORDERS, add, pacing(patience=60))
        stopped.set()
        assert queries.result(10) > 0


def test_rejected_statement_changes_nothing(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        table_lock.change(connection, ORDERS, add_and_fail, pacing())
    assert "note_token" not in columns(connection)


def test_change_does_not_wait_for_another_table_with_the_lock(
    connection: Connection, database: OwnDatabase
) -> None:
    connection.execute("CREATE TABLE payers (id int); SET statement_timeout = '5s'")
    with database.connect() as reader, reader.transaction():
        reader.execute("TABLE payers")
        with pytest.raises(TableLockNotTaken):
            table_lock.change(
                connection, ORDERS, lambda held: held.execute("LOCK TABLE payers"), pacing({}, 3)
            )
    connection.execute("DROP TABLE payers")


def add(connection: Connection) -> None:
    connection.execute(ADD)


def add_and_fail(connection: Connection) -> None:
    connection.execute(ADD)
    connection.execute("DROP TABLE absent")


def columns(connection: Connection) -> set[str]:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0"
    )
    return {name for (name,) in found}


def query_until(stopped: threading.Event, database: OwnDatabase) -> int:
    """Query the table until *stopped*, and return how often; a long wait is an error."""
    count = 0
    with database.connect() as connection:
        connection.execute("SET lock_timeout = '1s'")
        while not stopped.is_set() or count == 0:
            connection.execute("SELECT count(*) FROM orders")
            count += 1
    return count
