"""Mapped objects that one query loads: their values are decrypted together, and fail alone."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, String, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration.errors import DecryptionFailed
from app_integration.integrations.orm_values import known_values
from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow
from app_integration.integrations.sqlalchemy.loaded_rows import LoadedRows
from app_integration.testing import MemoryApplication
from tests.support.databases.loaded_rows import assert_ends_with
from tests.support.databases.memory_keys import memory_key_tables

ROWS = 5


class Base(DeclarativeBase):
    pass


class Guest(EncryptedRow, Base):
    __tablename__ = "guests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    seat: Mapped[int] = mapped_column(unique=True)
    room: Mapped[str | None] = mapped_column(String(8))
    email = Encrypted("guests.email")
    name = Encrypted("guests.name", nullable=True)


class Visitor(EncryptedRow, Base):
    """A class with an attribute of the same name."""

    __tablename__ = "visitors"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email = Encrypted("visitors.email")


class Booking(EncryptedRow, Base):
    """A class whose tokens are bound to two attributes."""

    __tablename__ = "bookings"

    night: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    room: Mapped[str] = mapped_column(String(8), primary_key=True)
    note = Encrypted("bookings.note")


@pytest.fixture
def engine(vault: MemoryApplication) -> Iterator[Engine]:
    with memory_key_tables(vault) as engine:
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(guest(seat) for seat in range(ROWS))
            session.commit()
        yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def guest(seat: int) -> Guest:
    return Guest(seat=seat, email=email(seat), name=f"Guest {seat}" if seat % 2 else None)


def email(seat: int) -> str:
    return f"guest{seat}@example.com"


def load(session: Session) -> list[Guest]:
    return list(session.scalars(select(Guest).order_by(Guest.seat)))


def decrypted(rows: list[Guest], name: str) -> list[int]:
    return [row.seat for row in rows if name in known_values(row)]


def test_first_read_decrypts_its_own_row_only(session: Session) -> None:
    rows = load(session)
    assert rows[2].email == email(2)
    assert decrypted(rows, "email") == [2]


def test_second_read_decrypts_the_attribute_of_all_rows(session: Session) -> None:
    rows = load(session)
    assert [rows[0].email, rows[3].email] == [email(0), email(3)]
    assert decrypted(rows, "email") == list(range(ROWS))
    assert decrypted(rows, "name") == []
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]
    assert [row.name for row in rows] == [None, "Guest 1", None, "Guest 3", None]


def test_context_of_two_attributes_is_bound_together(session: Session) -> None:
    made = [Booking(night=night, room=f"r{night}", note=f"note {night}") for night in range(3)]
    session.add_all(made)
    session.commit()
    session.expunge_all()
    rows = session.scalars(select(Booking).order_by(Booking.night)).all()
    assert [row.note for row in rows] == ["note 0", "note 1", "note 2"]
    session.expunge_all()
    session.execute(text("UPDATE bookings SET room = 'r9' WHERE night = 1"))
    one, moved, other = session.scalars(select(Booking).order_by(Booking.night)).all()
    assert [one.note, other.note] == ["note 0", "note 2"]
    with pytest.raises(DecryptionFailed):
        assert moved.note


def test_token_of_another_row_fails_at_its_own_attribute_only(session: Session) -> None:
    (token,) = session.execute(text("SELECT email FROM guests WHERE seat = 0")).one()
    session.execute(text("UPDATE guests SET email = :token WHERE seat = 3"), {"token": token})
    rows = load(session)
    for seat in (0, 1, 2, 4):
        assert rows[seat].email == email(seat)
    for _ in range(2):
        with pytest.raises(DecryptionFailed):
            assert rows[3].email
    assert decrypted(rows, "email") == [0, 1, 2, 4]


def test_token_that_fails_first_does_not_fail_for_the_others(session: Session) -> None:
    session.execute(text("UPDATE guests SET email = x'01' WHERE seat < 2"))
    rows = load(session)
    for seat in (0, 1):
        with pytest.raises(DecryptionFailed):
            assert rows[seat].email
    assert [row.email for row in rows[2:]] == [email(2), email(3), email(4)]


def test_assigned_value_is_not_replaced_by_the_decrypted_one(session: Session) -> None:
    rows = load(session)
    rows[4].email, rows[3].name = "new@example.com", None
    assert [row.email for row in rows] == [*map(email, range(4)), "new@example.com"]
    assert rows[1].name == "Guest 1"
    assert rows[3].name is None
    session.commit()
    session.expunge_all()
    assert load(session)[4].email == "new@example.com"


def test_expired_object_keeps_no_value_that_was_decrypted_together(
    engine: Engine, session: Session
) -> None:
    rows = load(session)
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]
    with Session(engine) as other:
        load(other)[4].email = "new@example.com"
        other.commit()
    session.expire(rows[4])
    assert decrypted(rows, "email") == [0, 1, 2, 3]
    session.expire_all()
    assert decrypted(rows, "email") == []
    assert [row.email for row in load(session)] == [*map(email, range(4)), "new@example.com"]
    assert decrypted(rows, "email") == list(range(ROWS))


def test_one_object_keeps_none_of_those_that_were_loaded_with_it(session: Session) -> None:
    rows = load(session)
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]
    kept, others = rows[0], [weakref.ref(row) for row in rows[1:]]
    rows.clear()
    gc.collect()
    assert kept.name is None
    assert [other() for other in others] == [None] * (ROWS - 1)


def test_list_of_loaded_objects_ends_with_the_last_of_them(session: Session) -> None:
    rows = load(session)
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]
    assert_ends_with(LoadedRows, rows)


def test_classes_of_one_query_are_decrypted_apart(session: Session) -> None:
    session.add_all(Visitor(id=seat, email=email(seat)) for seat in range(ROWS))
    session.commit()
    session.expunge_all()
    both = session.execute(select(Guest, Visitor).join(Visitor, Visitor.id == Guest.seat)).all()
    for one, other in both:
        assert one.email == other.email
    assert all("email" in known_values(each) for pair in both for each in pair)


def test_objects_of_a_closed_session_are_decrypted(session: Session) -> None:
    rows = load(session)
    session.close()
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]


def test_pickle_of_loaded_objects_holds_no_value_and_none_of_the_others(session: Session) -> None:
    rows = load(session)
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]
    pickled = pickle.dumps(rows[0])
    assert b"@example" not in pickled
    assert b"Loaded" not in pickled
    assert pickle.loads(pickled).email == email(0)  # noqa: S301 (pickled here)


def test_more_rows_than_are_decrypted_together_are_decrypted_in_parts(session: Session) -> None:
    session.add_all(guest(seat) for seat in range(ROWS, LoadedRows.SIZE + 3))
    session.commit()
    session.expunge_all()
    rows = load(session)
    assert [rows[0].email, rows[1].email] == [email(0), email(1)]
    assert decrypted(rows, "email") == list(range(LoadedRows.SIZE))
    assert [row.email for row in rows] == [email(seat) for seat in range(len(rows))]


def test_rows_that_stream_are_decrypted(session: Session) -> None:
    query = select(Guest).order_by(Guest.seat).execution_options(yield_per=2)
    assert [row.email for row in session.scalars(query)] == [email(seat) for seat in range(ROWS)]


def test_refreshed_object_is_decrypted_from_its_new_token(engine: Engine, session: Session) -> None:
    rows = load(session)
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]
    with Session(engine) as other:
        load(other)[1].email = "new@example.com"
        other.commit()
    session.refresh(rows[1])
    assert rows[1].email == "new@example.com"
    assert rows[0].email == email(0)


def test_token_of_a_failed_flush_is_bound_to_the_next_key(session: Session) -> None:
    made = guest(0)  # whose seat is taken
    session.add(made)
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    made.id, made.seat = uuid4(), ROWS
    session.add(made)
    session.commit()
    session.expunge_all()
    assert load(session)[ROWS].email == email(0)


def test_token_assigned_to_another_object_fails_there(session: Session) -> None:
    rows = load(session)
    token = rows[0].__dict__["email_token"]
    session.execute(update(Guest).where(Guest.seat == 1).values(email_token=token))
    session.expire_all()
    rows = load(session)
    assert rows[0].email == email(0)
    with pytest.raises(DecryptionFailed):
        assert rows[1].email
    assert rows[2].email == email(2)
