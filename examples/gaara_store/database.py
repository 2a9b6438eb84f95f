"""Users in PostgreSQL: personal data encrypted, connections under leased database users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import Engine, String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app_integration import database_engine, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from examples.gaara_store.keys import Keys
from examples.gaara_store.tables import Base

CONNECT_TIMEOUT: Final = 3  # seconds
POOL_TIMEOUT: Final = 5.0  # seconds to wait for a connection that another request uses
CUSTOMERS: Final = 100_000  # expected: so coarse is the index by which e-mails are found


class UsernameTaken(Exception):
    """Another user has that name."""


class User(EncryptedRow, Base):
    """One row; what the database has of *email*, *phone* and *address* are tokens.

    Each is bound to the row's id, so that one copied to another user's row doesn't open there.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    username: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    email = Encrypted("users.email", index=Index(CUSTOMERS, normalise="email"))
    phone = Encrypted("users.phone")
    address = Encrypted("users.address")


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
        self._index_keys = TableIndexKeys(engine)
        self.keys = Keys(engine)

    def create_tables(self) -> None:
        """Create the tables unless they are there."""
        Base.metadata.create_all(self._engine)
        self._index_keys.create()
        use_index_keys(self._index_keys)
        with Session(self._engine) as session:
            empty = session.scalar(select(User.id).limit(1)) is None
        if empty:  # with rows, another key would find none of them
            create_index_keys(User)

    def add(
        self, username: str, password_hash: str, *, email: str, phone: str, address: str
    ) -> UUID:
        """Add a user; gives the new id.

        Raises:
            UsernameTaken: nothing was added.

        """
        self.keys.remember()
        user_id = uuid4()
        user = User(
            id=user_id,
            username=username,
            password_hash=password_hash,
            email=email,
            phone=phone,
            address=address,
        )
        try:
            with Session(self._engine) as session, session.begin():
                session.add(user)
        except IntegrityError:
            raise UsernameTaken from None
        return user_id

    def find(self, login: str) -> list[User]:
        """Whoever logs in as *login*: a user name, or an e-mail address that several may share."""
        with Session(self._engine) as session:
            if "@" in login:
                return find(session, User.email, login)
            return list(session.scalars(select(User).where(User.username == login)))

    def profile(self, user_id: UUID) -> Profile | None:
        """The data of *user_id*, decrypted; None when there is no such user."""
        with Session(self._engine) as session:
            user = session.get(User, user_id)
        if user is None:
            return None
        # The connection is back in its pool by now: decryption may have to wait for the server.
        return Profile(
            id=user.id,
            username=user.username,
            email=user.email,
            phone=user.phone,
            address=user.address,
        )

    def ping(self) -> None:
        """Ask the database for an answer; raises when there is none."""
        with self._engine.connect() as connection:
            connection.execute(select(1))
