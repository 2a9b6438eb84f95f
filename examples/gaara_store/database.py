"""Users in PostgreSQL: personal data encrypted, connections under leased database users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import Engine, String, Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app_integration import database_engine, decrypt_field, encrypt_field
from examples.gaara_store.keys import Keys
from examples.gaara_store.tables import Base

CONNECT_TIMEOUT: Final = 3  # seconds
POOL_TIMEOUT: Final = 5.0  # seconds to wait for a connection that another request uses


class UsernameTaken(Exception):
    """Another user has that name."""


class User(Base):
    """One row; *email*, *phone* and *address* hold tokens of ``encrypt_field``."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's own data, readable."""

    id: UUID
    username: str
    email: str
    phone: str
    address: str


def connect(url: SecretStr) -> Engine:
    """The engine for the database at *url*, under leased users; nothing is sent yet."""
    return database_engine(
        url=url.get_secret_value(),
        hide_parameters=True,  # an error's text goes to the log, a row's values must not
        pool_timeout=POOL_TIMEOUT,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "gaara-store"},
    )


class Users:
    """Everybody who registered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.keys = Keys(engine)

    def create_tables(self) -> None:
        """Create the tables unless they are there."""
        Base.metadata.create_all(self._engine)

    def add(
        self, username: str, password_hash: str, *, email: str, phone: str, address: str
    ) -> UUID:
        """Add a user; gives the new id.

        Raises:
            UsernameTaken: nothing was added.
        """
        # Made here and not by the database: the tokens are bound to it before the row exists, so
        # that one copied to another user's row doesn't open there.
        user_id = uuid4()
        self.keys.remember()
        context = {"user_id": user_id}
        user = User(
            id=user_id,
            username=username,
            password_hash=password_hash,
            email=encrypt_field(email, context=context),
            phone=encrypt_field(phone, context=context),
            address=encrypt_field(address, context=context),
        )
        try:
            with Session(self._engine) as session, session.begin():
                session.add(user)
        except IntegrityError:
            raise UsernameTaken from None
        return user_id

    def find(self, username: str) -> User | None:
        """The row of *username*, still encrypted."""
        with Session(self._engine) as session:
            return session.scalar(select(User).where(User.username == username))

    def profile(self, user_id: UUID) -> Profile | None:
        """The data of *user_id*, decrypted; None when there is no such user."""
        with Session(self._engine) as session:
            user = session.get(User, user_id)
        if user is None:
            return None
        # The connection is back in its pool by now: decryption may have to wait for the server.
        context = {"user_id": user.id}
        return Profile(
            id=user.id,
            username=user.username,
            email=decrypt_field(user.email, context=context),
            phone=decrypt_field(user.phone, context=context),
            address=decrypt_field(user.address, context=context),
        )

    def ping(self) -> None:
        """Ask the database for an answer; raises when there is none."""
        with self._engine.connect() as connection:
            connection.execute(select(1))
