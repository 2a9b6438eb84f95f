"""Restoration of plaintexts on a real PostgreSQL, under the guard that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

import pytest
from psycopg import Connection

from migration.passes.ranges import PassProgress
from migration.passes.renewing_pass import Nulling, Renewed, Restoration
from migration.rows.stored_values import ValueNotStored
from tests.support.migrations import typed_site
from tests.support.migrations.typed_site import ROWS, WITH_PLAINTEXT, InterruptedCipher, TypedSite

pytestmark = pytest.mark.requires("embedded")

KEY: Final = (9, typed_site.branch_of(9))


@pytest.fixture
def connection(site: TypedSite) -> Iterator[Connection]:
    """Return a connection to the table after its nulling."""
    with site.connect() as connection:
        site.backfill(connection)
        site.run(connection, Nulling, "null")
        yield connection


def restore(
    site: TypedSite, connection: Connection, name: str = "restore"
) -> tuple[list[Renewed], PassProgress]:
    return site.run(connection, Restoration, name)


def test_restoration_gives_back_the_original_table(site: TypedSite) -> None:
    with site.connect() as connection:
        original = typed_site.row_hashes(connection)
        site.backfill(connection)
        site.run(connection, Nulling, "null")
        assert typed_site.plaintexts_left(connection) == 0
        batches, progress = restore(site, connection)
        assert typed_site.row_hashes(connection) == original
        assert sum(each.written for each in batches) == WITH_PLAINTEXT
        assert progress == PassProgress(3, 0, ROWS, 0)
        rows = site.writer(connection).statements.read_range(
            connection, None, None, ROWS, incomplete=False
        )
        assert site.cipher.find_mismatches(rows) == set()


def test_row_whose_pairing_holds_is_not_written(site: TypedSite, connection: Connection) -> None:
    restore(site, connection)
    versions = connection.execute("SELECT id, xmin::text FROM travellers").fetchall()
    batches, _ = restore(site, connection, "again")
    assert {each.written for each in batches} == {0}
    assert connection.execute("SELECT id, xmin::text FROM travellers").fetchall() == versions


def test_value_of_the_token_replaces_what_differs(site: TypedSite, connection: Connection) -> None:
    restore(site, connection)
    newer: dict[str, Any] = {"email": "newer@example.com", "tags": [1, {"a": 0}], "name": "Ada"}
    older = {**newer, "email": None, "tags": [True, {"a": False}]}
    typed_site.update(connection, KEY, {**older, **site.encrypted(KEY, newer)})
    typed_site.update(connection, KEY, {"email_index": b"\x00"})
    token = stored(connection, "name_token")
    batches, _ = restore(site, connection, "again")
    assert sum(each.written for each in batches) == 1
    assert stored(connection, "email") == newer["email"]
    assert stored(connection, "tags::text") == '[1, {"a": 0}]'
    assert stored(connection, "email_index") == site.index.value(newer["email"])
    assert stored(connection, "name_token") == token  # this pairing held


UNSTORABLE: Final[dict[str, tuple[str, Any, str]]] = {
    "too long": ("email", "a" * 81, "value too long for type character varying"),
    "spaces that the type cuts": ("email", "a" * 80 + " ", "column email: it would keep another"),
    "digits that the type rounds": ("price", Decimal("0.005"), "column price: it would keep"),
    "number that is too large": ("age", 2**15, "smallint out of range"),
    "zero byte": ("name", "a\0b", "invalid byte sequence"),
    "zero byte in JSON": ("tags", ["\0"], "unsupported Unicode escape sequence"),
    "time without a zone": (
        "seen",
        datetime(2026, 1, 1),  # noqa: DTZ001 (what a careless application encrypts)
        "column seen: it would keep another",
    ),
    "value that a constraint refuses": ("vip", True, 'violates check constraint "no_vip"'),
}


@pytest.mark.parametrize(("column", "value", "message"), UNSTORABLE.values(), ids=UNSTORABLE)
def test_value_that_its_column_does_not_take_is_named(
    site: TypedSite, connection: Connection, column: str, value: object, message: str
) -> None:
    connection.execute("UPDATE travellers SET vip_token = NULL WHERE id <> 9")
    connection.execute("ALTER TABLE travellers ADD CONSTRAINT no_vip CHECK (NOT vip)")
    typed_site.update(connection, KEY, site.encrypted(KEY, {"vip": None}))
    typed_site.update(connection, KEY, site.encrypted(KEY, {column: value}))
    with pytest.raises(ValueNotStored, match=r"^public\.travellers, row 9, north") as caught:
        restore(site, connection)
    assert message in str(caught.value)
    assert "Failing row" not in str(caught.value)
    assert typed_site.plaintexts_left(connection) == 0


def test_value_that_only_another_row_forbids_is_named(
    site: TypedSite, connection: Connection
) -> None:
    connection.execute("CREATE UNIQUE INDEX ON travellers (branch, email)")
    connection.execute("DELETE FROM travellers WHERE id NOT IN (9, 12)")
    for number in (9, 12):
        key = number, typed_site.branch_of(number)
        typed_site.update(connection, key, site.encrypted(key, {"email": "ada@example.com"}))
    with pytest.raises(ValueNotStored, match=r"row 12, north: duplicate key") as caught:
        restore(site, connection)
    assert "ada@example.com" not in str(caught.value)
    assert typed_site.plaintexts_left(connection) == 0


def test_zone_of_the_session_does_not_change_what_is_written(
    site: TypedSite, connection: Connection
) -> None:
    column = "SELECT id, to_json(seen AT TIME ZONE 'UTC') FROM travellers WHERE id > 5 ORDER BY id"
    restore(site, connection)
    before = connection.execute(column).fetchall()
    site.run(connection, Nulling, "null again")
    connection.execute("DELETE FROM travellers WHERE id < 6")  # no zone takes the first instant
    connection.execute("SET timezone = 'America/St_Johns'")
    connection.execute("SET datestyle = 'SQL, DMY'")
    restore(site, connection, "again")
    assert connection.execute(column).fetchall() == before


@pytest.mark.parametrize("damage", typed_site.DAMAGES.values(), ids=typed_site.DAMAGES)
def test_row_whose_token_does_not_open_is_reported_and_kept(
    site: TypedSite, connection: Connection, damage: LiteralString
) -> None:
    restore(site, connection)
    site.damage(connection, damage)
    before = site.damaged(connection)
    batches, progress = restore(site, connection, "again")
    assert [list(key) for each in batches for key in each.wrong] == [["12", "north"]]
    assert progress == PassProgress(3, 0, ROWS, 1)
    assert site.damaged(connection) == before


def test_row_that_changes_meanwhile_is_read_again(site: TypedSite, connection: Connection) -> None:
    newer = iter(["newer@example.com"])

    def change(other: Connection) -> None:
        for email in newer:
            typed_site.update(other, KEY, site.encrypted(KEY, {"email": email}))

    with site.connect() as other:
        cipher = InterruptedCipher(site, lambda: change(other))
        batches, _ = site.run(connection, Restoration, "restore", cipher)
    assert sum(each.written for each in batches) == WITH_PLAINTEXT
    assert stored(connection, "email") == "newer@example.com"


def stored(connection: Connection, column: LiteralString) -> Any:
    """Return what a column of the row :data:`KEY` has."""
    query: LiteralString = "SELECT " + column + " FROM travellers WHERE (id, branch) = (%s, %s)"
    found = connection.execute(query, KEY).fetchone()
    assert found is not None
    return found[0]
