"""Samples of tables on a real PostgreSQL, whose statistics may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, LiteralString

import pytest
from psycopg import Connection

from migration.forecast import sample
from migration.forecast.sample import Plaintexts, Sample
from migration.table import live_table
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

ROWS: Final = 20_000
#: Bytes of the text of each value.
TYPED: Final = {
    "number": 2.0,
    "amount": 4.0,
    "day": 10.0,
    "at": 22.0,
    "known": 4.0,
    "uid": 36.0,
    "notes": 8.0,
    "name": 2.0,
}
_SETUP: LiteralString = """
    CREATE TABLE people (id int PRIMARY KEY, email text, photo bytea, email_token bytea)
        WITH (autovacuum_enabled = off, fillfactor = 50);
    INSERT INTO people SELECT n, CASE WHEN n % 4 > 0 THEN 'ab@é' END, '\\x010203', 'token'
        FROM generate_series(1, 20000) AS n;
    CREATE TABLE shuffled (id int PRIMARY KEY, email text);
    INSERT INTO shuffled SELECT n, 'a' FROM generate_series(1, 20000) AS n ORDER BY md5(n::text);
    CREATE TABLE typed (
        id int PRIMARY KEY, number bigint, amount numeric, day date, at timestamptz, known boolean,
        uid uuid, notes jsonb, name varchar(9)
    );
    INSERT INTO typed VALUES (1, -5, 1.50, '2026-01-31', '2026-01-31 09:30Z', true,
        '00000000-0000-0000-0000-000000000000', '{"a": 1}', 'é');
    CREATE TABLE empty (id int PRIMARY KEY, email text);
    CREATE TABLE visits (id int, year int, email text, PRIMARY KEY (id, year))
        PARTITION BY LIST (year);
    CREATE TABLE visits_1 PARTITION OF visits FOR VALUES IN (1);
    CREATE TABLE visits_2 PARTITION OF visits FOR VALUES IN (2);
    INSERT INTO visits SELECT n, 1 + n % 2, 'a' FROM generate_series(1, 20000) AS n;
"""


@pytest.fixture(scope="module")
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(_SETUP)
        yield connection


def read(connection: Connection, name: str, *columns: str, blocks: int = 1000) -> Sample:
    migrated = tuple(MigratedColumn(each, f"{each}_token", ("id",)) for each in columns)
    indexes = (IndexedColumn("email_index", "email"),)
    table = MigratedTable("public", name, ("id",), migrated, indexes)
    return sample.read(connection, table, live_table.read(connection, "public", name), blocks)


def test_table_that_was_never_analysed_is_counted(connection: Connection) -> None:
    assert live_table.read(connection, "public", "people").rows == 0
    found = read(connection, "people", "email", "photo")
    assert found.rows == ROWS
    assert found.plaintexts == {"email": Plaintexts(0.75, 5.0), "photo": Plaintexts(1.0, 3.0)}
    assert (found.filled, found.written) == (ROWS, 6.0)
    assert not found.is_scattered
    size = connection.execute("SELECT pg_total_relation_size('people')").fetchone()
    assert (found.files.whole + found.files.indexes,) == size
    assert (found.files.fillfactor, found.files.index_count) == (50, 1)
    assert (found.checkpoints.seconds, found.checkpoints.size) == (300.0, 1 << 30)


def test_rows_without_plaintext_are_not_filled(connection: Connection) -> None:
    found = read(connection, "people", "email")
    assert (found.rows, found.filled) == (ROWS, ROWS * 3 // 4)
    assert found.plaintexts == {"email": Plaintexts(1.0, 5.0)}


def test_each_type_of_plaintext_has_a_size(connection: Connection) -> None:
    found = read(connection, "typed", *TYPED)
    assert {name: each.size for name, each in found.plaintexts.items()} == TYPED


def test_part_of_the_blocks_tells_the_rows_of_all(connection: Connection) -> None:
    found = read(connection, "people", "email", blocks=100)
    assert found.rows == pytest.approx(ROWS, rel=0.3)
    assert found.rows != ROWS
    assert found.filled == pytest.approx(0.75 * found.rows, rel=0.02)


def test_rows_out_of_the_order_of_the_key_are_recognised(connection: Connection) -> None:
    assert read(connection, "shuffled", "email").is_scattered


def test_empty_table_has_no_size(connection: Connection) -> None:
    found = read(connection, "empty", "email")
    assert (found.rows, found.row, found.files.main) == (0, 0.0, 0)
    assert found.plaintexts == {"email": Plaintexts(0.0, 0.0)}


def test_partitions_are_read(connection: Connection) -> None:
    found = read(connection, "visits", "email")
    assert (found.rows, found.files.index_count) == (ROWS, 1)
    size = connection.execute(
        "SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('visits')"
    )
    assert size.fetchone() == (found.files.main,)
