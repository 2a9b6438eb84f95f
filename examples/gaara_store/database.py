"""Users of the store in PostgreSQL, with encrypted personal data and leased database users."""

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
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from examples.gaara_store.keys import Keys
from examples.gaara_store.tables import Base
from examples.gaara_store.user_phases import PHASE, PLAINTEXT, personal_column

CONNECT_TIMEOUT: Final = 3  # seconds
POOL_TIMEOUT: Final = 5.0  # seconds to wait for a connection that another request uses
CUSTOMERS: Final = 100_000  # expected; the blind index of e-mail addresses is sized for it


class UsernameTaken(Exception):
    """Another user has the requested user name."""


class User(EncryptedRow, Base):
    """A row of the table of users. The database stores encrypted tokens of the personal data.

    Each token is bound to the row's id, so one that is copied to another user's row cannot be
    decrypted there.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    username: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    # As Encrypted("users.email", index=...), unless the table is migrated from plaintext.
    email = personal_column("email", PHASE, Index(CUSTOMERS, normalise="email"))
    phone = personal_column("phone", PHASE)
    address = personal_column("address", PHASE)


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's own data, decrypted."""

    id: UUID
    username: str
    email: str
    phone: str
    address: str


def connect(url: SecretStr) -> Engine:
    """Return an engine with leased users for the database at *url*, without connecting."""
    return database_engine(
        url=url.get_secret_value(),
        hide_parameters=True,  # because errors are logged, and a row's values must not be
        pool_timeout=POOL_TIMEOUT,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "gaara-store"},
    )


class Users:
    """Table of registered users."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._index_keys = TableIndexKeys(engine)
        self.keys = Keys(engine)

    def create_tables(self) -> None:
        """Create the missing tables, and index keys if no user is registered."""
        Base.metadata.create_all(self._engine)
        self._index_keys.create()
        use_index_keys(self._index_keys)
        with Session(self._engine) as session:
            empty = session.scalar(select(User.id).limit(1)) is None
        if empty:  # because a new key would not find the rows that are indexed with another
            create_index_keys(User)

    def add(
        self, username: str, password_hash: str, *, email: str, phone: str, address: str
    ) -> UUID:
        """Add a user and return the new id; raise UsernameTaken if another user has the name."""
        self.keys.store_check_value()
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
        """Return the users whose user name or e-mail address is *login*.

        A user name belongs to one user. Several users may share an e-mail address.
        """
        with Session(self._engine) as session:
            if "@" in login and PHASE != PLAINTEXT:
                return find(session, User.email, login)
            column = User.email if "@" in login else User.username
            return list(session.scalars(select(User).where(column == login)))

    def profile(self, user_id: UUID) -> Profile | None:
        """Return the decrypted data of *user_id*, or None if there is no such user."""
        with Session(self._engine) as session:
            user = session.get(User, user_id)
        if user is None:
            return None
        # Decrypt after the connection returned to its pool, because it may wait for the server.
        return Profile(
            id=user.id,
            username=user.username,
            email=user.email,
            phone=user.phone,
            address=user.address,
        )

    def ping(self) -> None:
        """Run a query."""
        with self._engine.connect() as connection:
            connection.execute(select(1))
