"""Mapped objects that one query loads: their values are decrypted together, and fail alone."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, String, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration.errors import DecryptionFailed
from app_integration.integrations.orm_values import known_values
from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow
from app_integration.testing import MemoryApplication
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


def test_expired_object_whose_token_fails_has_no_value(session: Session) -> None:
    session.execute(text("UPDATE guests SET email = x'01' WHERE seat = 3"))
    rows = load(session)
    assert [rows[0].email, rows[1].email] == [email(0), email(1)]
    session.expire_all()
    with pytest.raises(DecryptionFailed):
        assert rows[3].email


def test_classes_of_one_query_are_decrypted_apart(session: Session) -> None:
    session.add_all(Visitor(id=seat, email=email(seat)) for seat in range(ROWS))
    session.commit()
    session.expunge_all()
    both = session.execute(select(Guest, Visitor).join(Visitor, Visitor.id == Guest.seat)).all()
    for one, other in both:
        assert one.email == other.email
    assert all("email" in known_values(each) for pair in both for each in pair)


def test_objects_of_a_pickle_and_of_a_closed_session_are_decrypted(session: Session) -> None:
    rows = load(session)
    assert pickle.loads(pickle.dumps(rows[0])).email == email(0)  # noqa: S301 (pickled here)
    session.close()
    assert [row.email for row in rows] == [email(seat) for seat in range(ROWS)]


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
