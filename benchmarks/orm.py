"""Benchmark of encrypted SQLAlchemy columns against the same class in plaintext.

    python -m benchmarks.orm [--rows 10000] [--turns 9]

A class has three text columns, of which one is searched, in a SQLite database in memory, and in a
PostgreSQL of the benchmark's own. The case of the cipher has the plaintext class too, and calls
AES-GCM and the keyed hash for each value: it is the least that encryption can cost. Processor time
counts, of this process and of PostgreSQL's process for it, because other load changes it less.
"""

from __future__ import annotations

import hmac
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, create_engine, delete, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from benchmarks import memory_keys, people_table
from benchmarks.ratio import Case, Clock, Run, run_cases
from tests.support.databases.own_database import OwnDatabase

ROWS: Final = 10_000
TURNS: Final = 9
_FINDS: Final = 300  # queries in one turn
_AAD: Final = b"people.email|id=12345"


class Base(DeclarativeBase):
    """Base of both classes."""


class PlainPerson(Base):
    """A person in plaintext, whose address is indexed."""

    __tablename__ = "plain_people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(index=True)
    phone: Mapped[str]


class Person(EncryptedRow, Base):
    """The same person with encrypted columns."""

    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name = Encrypted("people.name")
    email = Encrypted("people.email", index=Index(rows=1_000_000, normalise="email"))
    phone = Encrypted("people.phone")


class Cipher:
    """Calls of AES-GCM and of the keyed hash, which take the place of the encrypted columns."""

    def __init__(self) -> None:
        self._cipher = AESGCM(os.urandom(32))
        self._mac = hmac.new(os.urandom(32), b"label", "sha256")
        nonce = os.urandom(12)
        self._sealed = nonce + self._cipher.encrypt(nonce, b"gaara@example.com", _AAD)

    def encrypt_rows(self, rows: int) -> None:
        """Encrypt three values and hash one, for each row."""
        for number in range(rows):
            for value in (f"Name {number}", f"{number}@example.com", f"+49 30 {number}"):
                nonce = os.urandom(12)
                nonce + self._cipher.encrypt(nonce, value.encode(), _AAD)
            self.hash(f"{number}@example.com")

    def decrypt_rows(self, rows: int) -> None:
        """Decrypt three values for each row."""
        decrypt, sealed = self._cipher.decrypt, self._sealed
        for _ in range(3 * rows):
            decrypt(sealed[:12], sealed[12:], _AAD).decode()

    def hash(self, value: str) -> bytes:
        """Return the keyed hash of *value*."""
        mac = self._mac.copy()
        mac.update(value.encode())
        return mac.digest()


def then(run: Run, cipher: Run, rows: int) -> Run:
    """Return *run*, and after it the *cipher* of *rows* rows for each call."""

    def both(times: int) -> None:
        run(times)
        cipher(times * rows)

    return both


class Table:
    """Objects of one class in a database, and the measured operations on them."""

    def __init__(self, engine: Engine, owner: Any, rows: int) -> None:
        self._engine = engine
        self._owner = owner
        self._rows = rows

    def clear(self) -> None:
        """Delete all rows."""
        with Session(self._engine) as session:
            session.execute(delete(self._owner))
            session.commit()

    def insert(self, times: int) -> None:
        """Create the objects, and insert them in one transaction."""
        for _ in range(times):
            with Session(self._engine) as session:
                session.add_all([self._owner(**person(number)) for number in range(self._rows)])
                session.commit()

    def load(self, times: int) -> None:
        """Load all objects, and read every attribute."""
        for _ in range(times):
            with Session(self._engine) as session:
                for row in session.scalars(select(self._owner)).all():
                    _ = row.id, row.name, row.email, row.phone

    def find(self, times: int) -> None:
        """Find one object after another by the address, and read that."""
        owner = self._owner
        with Session(self._engine) as session:
            for number in range(times):
                address = f"User.{number}@Example.com"
                if issubclass(owner, EncryptedRow):
                    (row,) = find(session, owner.email, address)
                else:
                    query = select(owner).where(owner.email == address)
                    (row,) = session.scalars(query).all()
                _ = row.email


def person(number: int) -> dict[str, Any]:
    """Return the values of a person but for its key."""
    return {
        "name": f"First Lastname {number}",
        "email": f"User.{number}@Example.com",
        "phone": f"+49 30 {1_000_000 + number}",
    }


class Pair:
    """The tables of both classes in one database."""

    def __init__(self, engine: Engine, rows: int, clock: Clock) -> None:
        """Create the tables."""
        Base.metadata.create_all(engine)
        self.people = Table(engine, Person, rows)
        self.plain = Table(engine, PlainPerson, rows)
        self._case = partial(Case, floor_name="plaintext", clock=clock)

    def clear(self) -> None:
        """Delete the rows of both tables."""
        self.people.clear()
        self.plain.clear()

    def fill(self) -> None:
        """Insert the objects into both tables."""
        self.clear()
        self.people.insert(1)
        self.plain.insert(1)

    def insert(self, name: str, subject: Run, bar: float | None = None) -> Case:
        """Return the case of inserts."""
        return self._case(name, subject, self.plain.insert, bar=bar, calls=1, prepare=self.clear)

    def load(self, name: str, subject: Run, bar: float | None = None) -> Case:
        """Return the case of loads, for filled tables."""
        return self._case(name, subject, self.plain.load, bar=bar, calls=1)

    def find(self, name: str, subject: Run, bar: float | None = None) -> Case:
        """Return the case of searches, for filled tables."""
        return self._case(name, subject, self.plain.find, bar=bar, calls=_FINDS)


@contextmanager
def cases(rows: int = ROWS) -> Iterator[Iterator[Case]]:
    """Yield the cases of encrypted columns, on SQLite and on PostgreSQL."""
    with memory_keys.configured(), people_table.database() as database:
        create_index_keys(Person)
        sqlite, postgres = create_engine("sqlite://"), _connect(database)
        with postgres.connect() as connection:
            driver: Any = connection.connection.driver_connection
            clock = people_table.processor_clock(driver)
        yield chain(
            _on_sqlite(Pair(sqlite, rows, time.process_time), rows),
            _on_postgres(Pair(postgres, rows, clock)),
        )
        sqlite.dispose()
        postgres.dispose()


def _connect(database: OwnDatabase) -> Engine:
    """Return an engine with a single connection to *database*, whose process is measured."""
    url, password = people_table.login(database)
    found = make_url(url).set(drivername="postgresql+psycopg", password=password)
    return create_engine(found, pool_size=1, max_overflow=0)


def _on_sqlite(pair: Pair, rows: int) -> Iterator[Case]:
    cipher, plain, people = Cipher(), pair.plain, pair.people
    yield pair.insert("columns of objects, insert", people.insert, bar=2.3)
    yield pair.insert("insert, cipher only", then(plain.insert, cipher.encrypt_rows, rows))
    pair.fill()
    yield pair.load("columns of objects, load", people.load, bar=2.8)
    yield pair.load("load, cipher only", then(plain.load, cipher.decrypt_rows, rows))
    yield pair.find("columns of objects, find", people.find, bar=1.2)
    yield pair.find("find, cipher only", then(plain.find, cipher.decrypt_rows, 1))


def _on_postgres(pair: Pair) -> Iterator[Case]:
    yield pair.insert("PostgreSQL, insert", pair.people.insert, bar=2)
    pair.fill()
    yield pair.load("PostgreSQL, load", pair.people.load, bar=3.1)
    yield pair.find("PostgreSQL, find", pair.people.find, bar=1.2)


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS, ("--rows", int, ROWS, None)))
