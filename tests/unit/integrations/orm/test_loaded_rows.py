"""Objects that one query of either ORM loads: decrypted together, and failing alone."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from app_integration import use_data_keys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import DecryptionFailed, KeyUnavailable
from app_integration.testing import Fault, MemoryApplication
from tests.support.orms.orm import Encrypted, Key, Plain, Table
from tests.support.orms.orms import Orm

ROWS = 5
GUESTS = Table(
    "LoadedGuest",
    "guests",
    {
        "seat": Plain(int, unique=True),
        "email": Encrypted("guests.email"),
        "name": Encrypted("guests.name", null=True),
    },
)
#: Its tokens are bound to two attributes.
BOOKINGS = Table(
    "LoadedBooking",
    "bookings",
    {"room": Plain(), "note": Encrypted("bookings.note", context=("id", "room"))},
    Key.GIVEN,
)


@pytest.fixture(autouse=True)
def guests(orm: Orm) -> Iterator[None]:
    with orm.tables(GUESTS, BOOKINGS):
        orm.add_all([guest(orm, seat) for seat in range(ROWS)])
        yield


def guest(orm: Orm, seat: int) -> Any:
    name = f"Guest {seat}" if seat % 2 else None
    return orm.owner(GUESTS)(seat=seat, email=email(seat), name=name)


def email(seat: int) -> str:
    return f"guest{seat}@example.com"


def emails(count: int = ROWS) -> list[str]:
    return [email(seat) for seat in range(count)]


def load(orm: Orm) -> list[Any]:
    return orm.all(GUESTS, "seat")


def decrypted(orm: Orm, rows: list[Any], name: str) -> list[int]:
    return [row.seat for row in rows if orm.is_decrypted(row, name)]


def test_first_read_decrypts_its_own_row_only(orm: Orm) -> None:
    rows = load(orm)
    assert rows[2].email == email(2)
    assert decrypted(orm, rows, "email") == [2]


def test_second_read_decrypts_the_attribute_of_all_rows(orm: Orm) -> None:
    rows = load(orm)
    assert [rows[0].email, rows[3].email] == [email(0), email(3)]
    assert decrypted(orm, rows, "email") == list(range(ROWS))
    assert decrypted(orm, rows, "name") == []
    assert [row.email for row in rows] == emails()
    assert [row.name for row in rows] == [None, "Guest 1", None, "Guest 3", None]


def test_values_of_an_outage_are_those_that_were_decrypted(
    orm: Orm, vault: MemoryApplication
) -> None:
    with vault.fault(Fault.UNREACHABLE):
        rows = load(orm)
        assert [row.seat for row in rows] == list(range(ROWS))
    assert [rows[0].email, rows[1].email] == [email(0), email(1)]


def test_unavailable_key_raises_at_each_attribute(
    orm: Orm, vault: MemoryApplication, key_engine: Engine
) -> None:
    rows = load(orm)
    use_data_keys(TableDataKeys(key_engine))  # of which none is cached
    with vault.fault(Fault.UNREACHABLE):
        for row in rows:
            with pytest.raises(KeyUnavailable):
                assert row.email
    assert [row.email for row in rows] == emails()


def test_context_of_two_attributes_is_bound_together(orm: Orm) -> None:
    booking = orm.owner(BOOKINGS)
    orm.add_all([booking(id=night, room=f"r{night}", note=f"n{night}") for night in range(3)])
    assert [row.note for row in orm.all(BOOKINGS)] == ["n0", "n1", "n2"]
    orm.run("UPDATE bookings SET room = 'r9' WHERE id = 1")
    one, moved, other = orm.all(BOOKINGS)
    assert [one.note, other.note] == ["n0", "n2"]
    with pytest.raises(DecryptionFailed):
        assert moved.note


def test_token_of_another_row_fails_at_its_own_attribute_only(orm: Orm) -> None:
    orm.run("UPDATE guests SET email = (SELECT email FROM guests WHERE seat = 0) WHERE seat = 3")
    rows = load(orm)
    for seat in (0, 1, 2, 4):
        assert rows[seat].email == email(seat)
    for _ in range(2):
        with pytest.raises(DecryptionFailed):
            assert rows[3].email
    assert decrypted(orm, rows, "email") == [0, 1, 2, 4]


def test_token_that_fails_first_does_not_fail_for_the_others(orm: Orm) -> None:
    orm.run("UPDATE guests SET email = x'01' WHERE seat < 2")
    rows = load(orm)
    for seat in (0, 1):
        with pytest.raises(DecryptionFailed):
            assert rows[seat].email
    assert [row.email for row in rows[2:]] == [email(2), email(3), email(4)]


def test_assigned_value_is_not_replaced_by_the_decrypted_one(orm: Orm) -> None:
    rows = load(orm)
    rows[4].email, rows[3].name = "new@example.com", None
    assert [row.email for row in rows] == [*emails(4), "new@example.com"]
    assert (rows[1].name, rows[3].name) == ("Guest 1", None)
    orm.save(*rows)
    assert [row.email for row in load(orm)] == [*emails(4), "new@example.com"]
    assert load(orm)[3].name is None


def test_refreshed_object_keeps_no_value_that_was_decrypted_together(orm: Orm) -> None:
    rows = load(orm)
    assert [row.email for row in rows] == emails()
    orm.change_elsewhere(GUESTS, rows[1].id, email="new@example.com")
    orm.refresh(rows[1])
    assert [row.email for row in rows] == [email(0), "new@example.com", *emails()[2:]]


def test_one_object_keeps_none_of_those_that_were_loaded_with_it(orm: Orm) -> None:
    rows = load(orm)
    assert [row.email for row in rows] == emails()
    kept, others = rows[0], [weakref.ref(row) for row in rows[1:]]
    rows.clear()
    gc.collect()
    assert kept.name is None
    assert [other() for other in others] == [None] * (ROWS - 1)


def test_list_of_loaded_objects_ends_with_the_last_of_them(orm: Orm) -> None:
    rows = load(orm)
    assert [row.email for row in rows] == emails()
    found = orm.loaded_rows.find(rows[0])
    assert found is not None
    gc.collect()  # the query's own garbage
    ended = weakref.ref(found)
    gc.disable()
    try:
        del found
        rows.clear()
        assert ended() is None
    finally:
        gc.enable()


def test_pickle_of_loaded_objects_holds_no_value_and_none_of_the_others(orm: Orm) -> None:
    rows = load(orm)
    assert [row.email for row in rows] == emails()
    pickled = pickle.dumps(rows[0])
    assert b"@example" not in pickled
    assert b"LoadedRows" not in pickled


def test_more_rows_than_are_decrypted_together_are_decrypted_in_parts(orm: Orm) -> None:
    size = orm.loaded_rows.SIZE
    orm.add_all([guest(orm, seat) for seat in range(ROWS, size + 3)])
    rows = load(orm)
    assert [rows[0].email, rows[1].email] == [email(0), email(1)]
    assert decrypted(orm, rows, "email") == list(range(size))
    assert [row.email for row in rows] == emails(len(rows))


def test_rows_that_stream_are_decrypted(orm: Orm) -> None:
    assert [row.email for row in orm.stream(GUESTS, "seat", 2)] == emails()
