"""Mapped objects that one flush inserts: their values are encrypted together, and fail alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, String, event, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration.errors import EncryptionError, KeyUnavailable
from app_integration.integrations.orm_values import known_values
from app_integration.integrations.sqlalchemy import (
    CompoundIndex,
    Encrypted,
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from app_integration.integrations.sqlalchemy.new_rows import FEWEST
from app_integration.testing import Fault, MemoryApplication
from tests.support.databases.memory_keys import memory_key_tables

ROWS = FEWEST


class Base(DeclarativeBase):
    pass


class Guest(EncryptedRow, Base):
    __tablename__ = "guests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    seat: Mapped[int] = mapped_column(unique=True)
    email = Encrypted("guests.email", index=Index(1_000_000, normalise="email"))
    tags = Encrypted("guests.tags", list, nullable=True)


class Visitor(Guest):
    """A subclass in the same table."""


class Booking(EncryptedRow, Base):
    """A class whose tokens are bound to two attributes."""

    __tablename__ = "bookings"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    room: Mapped[str] = mapped_column(String(8))
    note = Encrypted("bookings.note", context=["id", "room"])


class Parcel(EncryptedRow, Base):
    """A class with an index of an attribute that is not encrypted."""

    __tablename__ = "parcels"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    shelf: Mapped[str] = mapped_column(String(8))
    name = Encrypted("parcels.name")
    name_shelf = CompoundIndex("parcels.name_shelf", ("name", "shelf"), rows=1_000_000)


@pytest.fixture
def engine(vault: MemoryApplication) -> Iterator[Engine]:
    with memory_key_tables(vault) as engine:
        Base.metadata.create_all(engine)
        create_index_keys(Guest, Parcel)
        yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def guests() -> list[Guest]:
    return [Guest(seat=seat, email=email(seat), tags=[seat]) for seat in range(ROWS)]


def email(seat: int) -> str:
    return f"guest{seat}@example.com"


@contextmanager
def before_insert(owner: type, change: Callable[[Any], object]) -> Iterator[None]:
    """Call *change* with each object in its turn, after the listener of encrypted columns."""

    def listen(_mapper: object, _connection: object, row: Any) -> None:
        change(row)

    event.listen(owner, "before_insert", listen, propagate=True)
    try:
        yield
    finally:
        event.remove(owner, "before_insert", listen)


def in_first_turn(change: Callable[[], object]) -> Callable[[Any], object]:
    """Return a listener that calls *change* once."""
    turns = iter([change])
    return lambda _row: next(turns, lambda: None)()


def test_first_object_encrypts_those_of_all_new_objects_of_its_class(session: Session) -> None:
    rows, pending = guests(), list[Guest]()
    other = Visitor(seat=ROWS, email=email(ROWS))
    session.add_all([*rows, other])
    assert all(row.__dict__.get("email_token") is None for row in rows)

    def note_pending() -> None:
        pending.extend(row for row in (*rows, other) if "email_token" not in row.__dict__)

    with before_insert(Guest, in_first_turn(note_pending)):
        session.commit()
    assert pending == [other]
    session.expunge_all()
    stored = session.scalars(select(Guest).order_by(Guest.seat)).all()
    assert [row.email for row in stored] == [email(seat) for seat in range(ROWS + 1)]
    assert [row.tags for row in stored] == [*([seat] for seat in range(ROWS)), None]
    assert [row.seat for row in find(session, Guest.email, "GUEST3@example.com")] == [3]


def test_few_objects_are_encrypted_in_their_own_turns(session: Session) -> None:
    rows, pending = guests()[1:], list[Guest]()
    session.add_all(rows)

    def note_pending() -> None:
        pending.extend(row for row in rows if "email_token" not in row.__dict__)

    with before_insert(Guest, in_first_turn(note_pending)):
        session.commit()
    assert pending == rows[1:]
    assert [row.email for row in rows] == [email(row.seat) for row in rows]


def test_value_assigned_after_it_was_encrypted_is_encrypted_and_indexed_again(
    session: Session,
) -> None:
    rows = guests()
    session.add_all(rows)

    def assign() -> None:
        rows[3].email = "late@example.com"

    with before_insert(Guest, in_first_turn(assign)):
        session.commit()
    session.expunge_all()
    assert [row.seat for row in find(session, Guest.email, "late@example.com")] == [3]
    assert find(session, Guest.email, email(3)) == []


def test_context_that_changes_after_the_encryption_is_bound(session: Session) -> None:
    rows = [Booking(room="r1", note=f"note {number}") for number in range(ROWS)]
    session.add_all(rows)

    def move() -> None:
        rows[3].room, rows[4].id = "r2", uuid4()

    with before_insert(Booking, in_first_turn(move)):
        session.commit()
    session.expunge_all()
    stored = session.scalars(select(Booking).order_by(Booking.room)).all()
    assert [row.room for row in stored] == ["r1"] * (ROWS - 1) + ["r2"]
    assert {row.note for row in stored} == {f"note {number}" for number in range(ROWS)}


def test_context_that_is_complete_in_the_turn_of_its_object_only_is_bound(session: Session) -> None:
    event.listen(Booking, "before_insert", assign_room, insert=True)
    try:
        rows = [Booking(note=f"note {number}") for number in range(ROWS)]
        session.add_all(rows)
        session.commit()
    finally:
        event.remove(Booking, "before_insert", assign_room)
    session.expunge_all()
    stored = session.scalars(select(Booking)).all()
    assert {row.note for row in stored} == {f"note {number}" for number in range(ROWS)}


def assign_room(_mapper: object, _connection: object, row: Booking) -> None:
    row.room = "r1"


def test_indexed_plain_attribute_that_changes_in_another_turn_is_found(session: Session) -> None:
    rows = [Parcel(shelf="a", name=f"parcel {number}") for number in range(ROWS)]
    session.add_all(rows)

    def move() -> None:
        rows[3].shelf = "b"

    with before_insert(Parcel, in_first_turn(move)):
        session.commit()
    assert find(session, Parcel.name_shelf, ("parcel 3", "b")) == [rows[3]]
    assert find(session, Parcel.name_shelf, ("parcel 2", "a")) == [rows[2]]


def test_value_that_cannot_be_encrypted_any_more_fails_the_whole_flush(session: Session) -> None:
    rows, turns = guests(), list[object]()
    session.add_all(rows)
    rows[2].tags.append({1, 2})  # which is not JSON
    with (
        before_insert(Guest, turns.append),
        pytest.raises(EncryptionError, match="this list cannot be encrypted"),
    ):
        session.flush()
    assert turns == rows[:2]  # so it is the third that fails
    session.rollback()
    assert session.scalars(text("SELECT count(*) FROM guests")).all() == [0]


def test_unavailable_key_fails_the_flush_before_any_insert(
    vault: MemoryApplication, session: Session
) -> None:
    rows, turns = guests(), list[object]()
    session.add_all(rows)
    with (
        vault.fault(Fault.UNREACHABLE),
        before_insert(Guest, turns.append),
        pytest.raises(KeyUnavailable),
    ):
        session.flush()
    session.rollback()
    assert turns == []
    assert all(row.__dict__.get("email_token") is None for row in rows)
    session.add_all(rows)
    session.commit()
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]


@pytest.mark.parametrize("key", [None, UUID(int=7)])
def test_object_encrypted_in_a_failed_flush_is_bound_to_its_next_key(
    session: Session, key: UUID | None
) -> None:
    rows = guests()
    session.add_all(rows)

    def fail() -> None:
        raise ZeroDivisionError

    with before_insert(Guest, in_first_turn(fail)), pytest.raises(ZeroDivisionError):
        session.flush()
    session.rollback()
    before = rows[3].id
    rows[3].id = key  # type: ignore[assignment] # None is what a new object has
    session.add(rows[3])
    session.commit()
    session.expunge_all()
    stored = session.scalars(select(Guest)).one()
    assert stored.email == email(3)
    assert stored.id != before
    assert (stored.id == key) is (key is not None)


def test_token_copied_to_a_new_object_is_bound_to_its_key(session: Session) -> None:
    rows: list[Any] = guests()
    session.add_all(rows)
    session.commit()
    copies = [Guest(id=row.id, seat=ROWS + row.seat, email_token=row.email_token) for row in rows]
    for copy in copies:
        copy.id = uuid4()
    session.add_all(copies)
    session.commit()
    session.expunge_all()
    stored = session.scalars(select(Guest).order_by(Guest.seat)).all()
    assert [row.email for row in stored] == 2 * [email(seat) for seat in range(ROWS)]


def test_inserted_object_has_no_plain_value_but_the_known_ones(session: Session) -> None:
    rows = guests()
    session.add_all(rows)
    session.flush()
    for row in rows:
        assert set(known_values(row)) == {"email", "tags"}
        kept = {**vars(row), **vars(vars(row)["_sa_instance_state"])}
        assert row.email not in repr(kept)
