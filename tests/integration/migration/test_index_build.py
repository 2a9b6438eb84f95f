"""Indexes of blind indexes on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, LiteralString

import psycopg
import pytest
from psycopg import Connection

from migration import index_build
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from migration.table.table_lock import Pacing, TableLockNotTaken
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

AT_ONCE: Final = Pacing(lambda: 0.0, lambda _: None, lambda: 0.0, patience=0.0)
_COLUMNS: LiteralString = "id int, year int, email text, email_token bytea, email_index bytea"
_SETUP: LiteralString = f"""
    CREATE TABLE guests ({_COLUMNS}, PRIMARY KEY (id));
    CREATE TABLE visits ({_COLUMNS}, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
    CREATE TABLE visits_1 PARTITION OF visits FOR VALUES IN (1);
    CREATE TABLE visits_2 PARTITION OF visits FOR VALUES IN (2) PARTITION BY LIST (id);
    CREATE TABLE visits_2_1 PARTITION OF visits_2 FOR VALUES IN (1);
    INSERT INTO guests SELECT n, 1, 'a', 't', int4send(n) FROM generate_series(1, 100) AS n;
"""


def table(name: str) -> MigratedTable:
    column = MigratedColumn("email", "email_token", ("id",))
    index = IndexedColumn("email_index", "email")
    return MigratedTable("public", name, ("id",), (column,), (index,))


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(_SETUP)
        yield connection
        connection.execute("DROP TABLE guests, visits")


def test_index_is_built_once(connection: Connection) -> None:
    assert index_build.build(connection, table("guests"), AT_ONCE) == ["email_index"]
    assert index_build.build(connection, table("guests"), AT_ONCE) == []
    assert indexes(connection, "guests") == [("guests_email_index_idx", True)]


def test_invalid_index_is_dropped_and_built_again(
    connection: Connection, database: OwnDatabase
) -> None:
    with database.connect() as writer, writer.transaction():
        writer.execute("UPDATE guests SET email = 'b' WHERE id = 1")
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            index_build.build(connection, table("guests"), AT_ONCE)
    assert indexes(connection, "guests") == [("guests_email_index_idx", False)]
    assert index_build.build(connection, table("guests"), AT_ONCE) == ["email_index"]
    assert indexes(connection, "guests") == [("guests_email_index_idx", True)]


def test_build_waits_for_that_of_another_session(
    connection: Connection, database: OwnDatabase
) -> None:
    query: LiteralString = (
        "SELECT pg_try_advisory_lock('pg_class'::regclass::int, 'guests'::regclass::int)"
    )
    with database.connect() as other:
        assert other.execute(query).fetchone() == (True,)
        with pytest.raises(TableLockNotTaken, match=r"public\.guests: another session builds"):
            index_build.build(connection, table("guests"), AT_ONCE)
        ended = Pacing(lambda: 0.0, lambda _: other.close(), lambda: 0.0)
        assert index_build.build(connection, table("guests"), ended) == ["email_index"]
        assert index_build.build(connection, table("visits"), AT_ONCE) == ["email_index"]
    with database.connect() as other:
        assert other.execute(query).fetchone() == (True,)


def test_partitions_have_indexes_that_their_table_takes_over(connection: Connection) -> None:
    assert index_build.build(connection, table("visits"), AT_ONCE) == ["email_index"]
    assert index_build.build(connection, table("visits"), AT_ONCE) == []
    for name in ("visits", "visits_1", "visits_2", "visits_2_1"):
        assert indexes(connection, name) == [(f"{name}_email_index_idx", True)]


def indexes(connection: Connection, name: str) -> list[tuple[str, bool]]:
    """Return name and validity of each index on the column of index values."""
    query: LiteralString = """
        SELECT indexrelid::regclass::text, indisvalid FROM pg_index
        WHERE indrelid = %s::regclass AND NOT indisprimary
    """
    return connection.execute(query, (name,)).fetchall()
