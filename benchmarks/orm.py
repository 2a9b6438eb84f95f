"""Benchmark of encrypted SQLAlchemy columns against the same class in plaintext.

    python -m benchmarks.orm [--rows 10000] [--turns 9]

A class has three text columns, of which one is searched, in a SQLite database in memory. The case
of the cipher has the plaintext class too, and calls AES-GCM and the keyed hash for each value: it
is the least that encryption can cost. Processor time counts, because no part of it waits.
"""

from __future__ import annotations

import hmac
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, create_engine, delete, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration import default_client
from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from app_integration.testing.application import in_memory
from benchmarks.memory_keys import MemoryIndexKeys, MemoryRows
from benchmarks.ratio import Case, run_on_rows

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
                session.add_all([self._owner(**_person(number)) for number in range(self._rows)])
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


def _person(number: int) -> dict[str, Any]:
    return {
        "name": f"First Lastname {number}",
        "email": f"User.{number}@Example.com",
        "phone": f"+49 30 {1_000_000 + number}",
    }


@contextmanager
def cases(rows: int = ROWS) -> Iterator[Iterator[Case]]:
    """Yield the cases of encrypted columns, which need no server.

    Args:
        rows: The number of objects.

    """
    engine = create_engine("sqlite://")
    with TemporaryDirectory() as folder, in_memory("shop", Path(folder)) as application:
        # A client with the real clock, because that of the server in memory is slower.
        client = default_client.configure(application.client.settings, session=application.operator)
        client.use_data_keys(MemoryRows())
        client.use_index_keys(MemoryIndexKeys())
        create_index_keys(Person)
        Base.metadata.create_all(engine)
        yield _cases(Table(engine, Person, rows), Table(engine, PlainPerson, rows), rows)
    engine.dispose()


def _cases(people: Table, plain: Table, rows: int) -> Iterator[Case]:
    cipher = Cipher()

    def clear() -> None:
        people.clear()
        plain.clear()

    def insert_and_encrypt(times: int) -> None:
        plain.insert(times)
        cipher.encrypt_rows(times * rows)

    def load_and_decrypt(times: int) -> None:
        plain.load(times)
        cipher.decrypt_rows(times * rows)

    def find_and_decrypt(times: int) -> None:
        plain.find(times)
        cipher.decrypt_rows(times)

    case = partial(Case, floor_name="plaintext", clock=time.process_time)
    writes = partial(case, floor=plain.insert, calls=1, prepare=clear)
    yield writes("columns of objects, insert", people.insert, bar=3)
    yield writes("insert, cipher only", insert_and_encrypt)
    clear()
    people.insert(1)
    plain.insert(1)
    reads = partial(case, floor=plain.load, calls=1)
    yield reads("columns of objects, load", people.load, bar=2.9)
    yield reads("load, cipher only", load_and_decrypt)
    finds = partial(case, floor=plain.find, calls=_FINDS)
    yield finds("columns of objects, find", people.find, bar=1.2)
    yield finds("find, cipher only", find_and_decrypt)


if __name__ == "__main__":
    sys.exit(run_on_rows(__doc__, cases, ROWS, TURNS))
