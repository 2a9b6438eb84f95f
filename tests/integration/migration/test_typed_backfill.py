"""Backfill of columns of every type on a real PostgreSQL, and of values that no token has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, LiteralString

import pytest
from psycopg import Connection

from app_integration.errors import EncryptionError
from migration.passes.ranges import PassProgress
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations import typed_site
from tests.support.migrations.typed_site import WITH_PLAINTEXT, TypedSite

pytestmark = pytest.mark.requires("embedded")


@pytest.fixture(scope="module")
def site(database: OwnDatabase) -> Iterator[TypedSite]:
    with typed_site.typed_site(database) as site:
        yield site


@pytest.fixture
def connection(site: TypedSite) -> Iterator[Connection]:
    """Return a connection in a transaction that ends with the test."""
    with site.connect() as connection, connection.transaction(force_rollback=True):
        yield connection


def test_columns_of_every_type_are_encrypted(site: TypedSite, connection: Connection) -> None:
    assert site.backfill(connection) == PassProgress(2, 0, WITH_PLAINTEXT, 0)
    rows = site.writer(connection).statements.read_range(
        connection, None, None, 2 * WITH_PLAINTEXT, incomplete=False
    )
    assert site.cipher.find_mismatches(rows) == set()


UNENCRYPTED: Final[dict[str, tuple[LiteralString, str]]] = {
    "infinite date": ("born = 'infinity'", "born"),
    "infinite time": ("seen = '-infinity'", "seen"),
    "date before Python's first": ("born = '0044-03-15 BC'", "born"),
    "date after Python's last": ("born = '10000-01-01'", "born"),
    "time before Python's first": ("seen = '0044-03-15 09:30Z BC'", "seen"),
    "time after Python's last": ("seen = '9999-12-31 24:00Z'", "seen"),
    "number that is none": ("balance = 'NaN'", "balance"),
    "infinite number": ("balance = 'infinity'", "balance"),
    "JSON null": ("notes = 'null'", "notes"),
    "JSON that is no object": ("notes = '1'", "notes"),
    "number in JSON that a float rounds": ("tags = '[0.12345678901234567890]'", "tags"),
}


@pytest.mark.parametrize(("change", "column"), UNENCRYPTED.values(), ids=UNENCRYPTED)
def test_value_that_no_token_has_is_named(
    site: TypedSite, connection: Connection, change: LiteralString, column: str
) -> None:
    connection.execute("UPDATE travellers SET " + change + " WHERE id = 9")
    with pytest.raises(EncryptionError, match=rf"row 9, north, column {column}: "):
        site.backfill(connection)
    assert tokens_of_row(connection) == (None, None)


def test_error_of_a_json_null_says_what_to_write(site: TypedSite, connection: Connection) -> None:
    connection.execute("UPDATE travellers SET notes = 'null' WHERE id = 9")
    message = r"notes: the null of JSON cannot be encrypted; write the NULL of SQL, an object or"
    with pytest.raises(EncryptionError, match=message):
        site.backfill(connection)


def tokens_of_row(connection: Connection) -> tuple[bytes | None, bytes | None]:
    query: LiteralString = "SELECT name_token, email_token FROM travellers WHERE id = 9"
    found = connection.execute(query).fetchone()
    assert found is not None
    return found[0], found[1]
