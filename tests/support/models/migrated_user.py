"""Mapped classes of a table under migration, one for each phase of its application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Engine, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app_integration.integrations.plaintext import Phase
from app_integration.integrations.sqlalchemy import (
    CompoundIndex,
    Encrypted,
    EncryptedRow,
    Index,
    Plaintext,
    create_index_keys,
)
from app_integration.testing import MemoryApplication
from tests.support.databases.memory_keys import memory_key_tables

ROWS: Final = 1_000_000


def user_class(phase: Phase) -> Any:
    """Return the mapped class of the application in *phase*, with the class ``Owner``."""

    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owners"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        users: Mapped[list[User]] = relationship()

    class User(EncryptedRow, Base):
        __tablename__ = "users"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        owner_id: Mapped[UUID] = mapped_column(ForeignKey(Owner.id))
        visits: Mapped[int] = mapped_column(default=0)
        city: Mapped[str | None]
        email = Encrypted(
            "users.email",
            context=["id", "owner_id"],
            index=Index(ROWS, normalise="email", column="email_lookup"),
            nullable=True,
            column="email_token",
            plaintext=Plaintext("email", phase),
        )
        phone = Encrypted(
            "users.phone",
            context=["id", "owner_id"],
            nullable=True,
            column="phone_token",
            plaintext=Plaintext("phone", phase, String(40)),
        )
        place = CompoundIndex("users.place", ("email", "city"), rows=ROWS)

    class Member(User):
        """A subclass in the same table."""

    User.owner_class, User.member_class = Owner, Member
    return User


CLASSES: Final = {phase: user_class(phase) for phase in Phase}


@contextmanager
def user_tables(vault: MemoryApplication) -> Iterator[Engine]:
    """Create the tables of the classes and of keys, in a database in memory, for the block."""
    with memory_key_tables(vault) as engine:
        owner = CLASSES[Phase.DUAL_WRITING]
        owner.metadata.create_all(engine)
        create_index_keys(owner)
        yield engine
