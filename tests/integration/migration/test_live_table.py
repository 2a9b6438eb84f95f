"""What a real PostgreSQL says about a table before its migration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection

from migration.table import live_table
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

_SETUP: LiteralString = """
    CREATE EXTENSION citext;
    CREATE SCHEMA shop;
    CREATE TABLE shop.customers (
        tenant int, id uuid, email citext UNIQUE, name varchar(80) NOT NULL, balance numeric(12,2),
        domain text GENERATED ALWAYS AS (lower(name)) STORED, gone int, PRIMARY KEY (tenant, id)
    );
    ALTER TABLE shop.customers DROP COLUMN gone;
    CREATE VIEW shop.names AS SELECT name FROM shop.customers;
    CREATE TABLE shop.visits (id int, year int, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
    CREATE TABLE shop.visits_1 PARTITION OF shop.visits FOR VALUES IN (1);
    INSERT INTO shop.visits SELECT n, 1 FROM generate_series(1, 500) AS n;
    ANALYZE shop.visits;
    CREATE UNLOGGED TABLE shop.cache (k text);
    CREATE TABLE shop.parent (id int);
    CREATE TABLE shop.child () INHERITS (shop.parent);
    ALTER TABLE shop.child FORCE ROW LEVEL SECURITY;
    CREATE ROLE stranger;
    GRANT USAGE ON SCHEMA shop TO stranger;
"""


@pytest.fixture(scope="module")
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(_SETUP)
        yield connection
        connection.execute("DROP OWNED BY stranger")
        connection.execute("DROP ROLE stranger")


def test_columns_and_key_are_read(connection: Connection) -> None:
    found = live_table.read(connection, "shop", "customers")
    assert found.key == ("tenant", "id")
    assert list(found.columns) == ["tenant", "id", "email", "name", "balance", "domain"]
    assert found.inexact == {"email", "balance"}
    assert found.columns["name"].type == "character varying(80)"
    assert found.columns["name"].is_required
    assert found.columns["domain"].is_generated
    assert (found.kind, found.is_logged, found.is_inherited, found.is_owned) == (
        *("r", True, False),
        True,
    )


def test_partitioned_table_has_the_rows_of_its_partitions(connection: Connection) -> None:
    found = live_table.read(connection, "shop", "visits")
    assert (found.kind, found.is_inherited, found.rows) == ("p", False, 500)


@pytest.mark.parametrize("name", ["visits_1", "parent", "child"])
def test_part_of_a_tree_is_recognised(connection: Connection, name: str) -> None:
    assert live_table.read(connection, "shop", name).is_inherited


def test_unsuitable_tables_are_recognised(connection: Connection) -> None:
    assert not live_table.read(connection, "shop", "cache").is_logged
    assert live_table.read(connection, "shop", "child").forces_row_security
    assert live_table.read(connection, "shop", "names").kind == "v"
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE stranger")
        assert not live_table.read(connection, "shop", "customers").is_owned


def test_absent_table_is_an_error(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        live_table.read(connection, "shop", "absent")
