"""Nulling of plaintexts on a real PostgreSQL, under the guard that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from app_integration.errors import EncryptionError
from migration.passes.ranges import PassProgress, Ranges
from migration.passes.renewing_pass import Nulling, Renewed
from migration.rows.row_cipher import RowCipher
from tests.support.migrations import typed_site
from tests.support.migrations.typed_site import (
    MIGRATION,
    ROWS,
    TRAVELLERS,
    WITH_PLAINTEXT,
    InterruptedCipher,
    TypedSite,
)

pytestmark = pytest.mark.requires("embedded")


@pytest.fixture
def connection(site: TypedSite) -> Iterator[Connection]:
    with site.connect() as connection:
        site.backfill(connection)
        yield connection


def null(
    site: TypedSite, connection: Connection, name: str = "null", cipher: RowCipher | None = None
) -> tuple[list[Renewed], PassProgress]:
    """Run the pass *name*, and return its batches and how far it came."""
    return site.run(connection, Nulling, name, cipher)


def test_null_of_json_is_named(site: TypedSite, connection: Connection) -> None:
    site.damage(connection, "notes = 'null', notes_token = NULL")
    row = f"row 12, {typed_site.branch_of(12)}, column notes: the null of JSON"
    with pytest.raises(EncryptionError, match=row):
        null(site, connection)


def test_nulling_leaves_each_value_to_its_token(site: TypedSite, connection: Connection) -> None:
    before, tokens = site.decrypted(connection), stored_tokens(connection)
    batches, progress = null(site, connection)
    assert sum(each.written for each in batches) == WITH_PLAINTEXT
    assert progress == PassProgress(3, 0, WITH_PLAINTEXT, 0)
    assert typed_site.plaintexts_left(connection) == 0
    assert site.decrypted(connection) == before
    assert not tokens & stored_tokens(connection)
    assert null(site, connection, "again")[1] == PassProgress(3, 0, 0, 0)


def test_value_of_the_token_is_kept_where_the_plaintext_is_older(
    site: TypedSite, connection: Connection
) -> None:
    key, email = (9, typed_site.branch_of(9)), "newer@example.com"
    written = site.encrypted(key, {"email": email, "vip": None})
    typed_site.update(connection, key, {**written, "email_index": b"\x00", "vip": None})
    null(site, connection)
    assert site.decrypted(connection)[key]["email"] == email
    assert index_value(connection, key) == site.index.value(email)


def test_index_value_of_no_value_is_removed(site: TypedSite, connection: Connection) -> None:
    key = (9, typed_site.branch_of(9))
    typed_site.update(connection, key, {"email": None, "email_token": None, "email_index": b"\x00"})
    null(site, connection)
    assert index_value(connection, key) is None


@pytest.mark.parametrize("damage", typed_site.DAMAGES.values(), ids=typed_site.DAMAGES)
def test_row_whose_token_does_not_open_is_reported_and_kept(
    site: TypedSite, connection: Connection, damage: LiteralString
) -> None:
    site.damage(connection, damage)
    before = site.damaged(connection)
    batches, progress = null(site, connection)
    assert [list(key) for each in batches for key in each.wrong] == [["12", "north"]]
    assert progress == PassProgress(3, 0, WITH_PLAINTEXT, 1)
    assert typed_site.plaintexts_left(connection) == 1
    assert site.damaged(connection) == before


def test_row_that_changes_meanwhile_is_read_again(site: TypedSite, connection: Connection) -> None:
    key, newer = (9, typed_site.branch_of(9)), iter(["newer@example.com"])

    def change(other: Connection) -> None:
        for email in newer:
            values = {"email": email, **site.encrypted(key, {"email": email})}
            assert typed_site.update(other, key, values) == 1

    with site.connect() as other:
        batches, _ = null(site, connection, cipher=InterruptedCipher(site, lambda: change(other)))
    assert sum(each.written for each in batches) == WITH_PLAINTEXT
    assert typed_site.plaintexts_left(connection) == 0
    assert site.decrypted(connection)[key]["email"] == "newer@example.com"


def test_row_that_changes_always_is_left_to_the_next_pass(
    site: TypedSite, connection: Connection
) -> None:
    def change(other: Connection) -> None:
        other.execute("UPDATE travellers SET calls = calls + 1 WHERE id = 9")

    with site.connect() as other:
        batches, progress = null(
            site, connection, cipher=InterruptedCipher(site, lambda: change(other))
        )
    assert [each.left for each in batches if each.left] == [1]
    assert (progress.left, progress.wrong) == (0, 1)
    assert typed_site.plaintexts_left(connection) == 1
    batches, _ = null(site, connection, "again")
    assert [each.written for each in batches] == [1, 0, 0]


def test_row_that_a_transaction_holds_is_not_waited_for(
    site: TypedSite, connection: Connection
) -> None:
    connection.execute("SET lock_timeout = '1s'")
    key, moved = (9, typed_site.branch_of(9)), (9, typed_site.branch_of(10))
    values = site.decrypted(connection)[key]
    with site.connect() as other, other.transaction():
        other.execute("UPDATE travellers SET calls = 1 WHERE id = 12")
        # To another partition, which fails each update that waits for the row.
        typed_site.update(other, key, {"branch": moved[1], **site.encrypted(moved, values)})
        batches, _ = null(site, connection)
        assert sum(each.left for each in batches) == 2
        other.execute("UPDATE travellers SET calls = 2 WHERE id = 8")
    null(site, connection, "again")
    assert typed_site.plaintexts_left(connection) == 0
    assert site.decrypted(connection)[moved] == values


def test_killed_worker_leaves_its_range_to_another(site: TypedSite, connection: Connection) -> None:
    ranges = Ranges(MIGRATION, "null")
    ranges.create(connection, TRAVELLERS, 2 * ROWS)
    with site.connect() as killed:
        Nulling(ranges, site.writer(killed), 50).run_batch(killed)
        cipher = InterruptedCipher(site, lambda: typed_site.kill(connection, killed))
        with pytest.raises(psycopg.OperationalError):
            Nulling(ranges, site.writer(connection, cipher), 50).run_batch(killed)
    assert typed_site.plaintexts_left(connection) == WITH_PLAINTEXT - 50
    worker = Nulling(ranges, site.writer(connection), 50)
    batches = list(iter(lambda: worker.run_batch(connection), None))
    assert sum(each.written for each in batches) == WITH_PLAINTEXT - 50
    assert typed_site.plaintexts_left(connection) == 0


def stored_tokens(connection: Connection) -> set[bytes]:
    names = SQL(", ").join(Identifier(each.new) for each in TRAVELLERS.columns)
    rows = connection.execute(SQL("SELECT {} FROM travellers").format(names))
    return {token for row in rows for token in row if token is not None}


def index_value(connection: Connection, key: tuple[Any, ...]) -> bytes | None:
    query: LiteralString = "SELECT email_index FROM travellers WHERE (id, branch) = (%s, %s)"
    found = connection.execute(query, key).fetchone()
    assert found is not None
    value: bytes | None = found[0]
    return value
