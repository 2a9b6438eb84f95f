"""Encrypted columns on a real PostgreSQL server, with keys wrapped by a real Transit engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Engine, Integer, Sequence, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration import async_database_engine, default_client
from app_integration.client import Client
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.errors import IndexKeyLost
from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from app_integration.settings import Settings
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROWS = 100_000
INDEX_KEYS = "own_index_keys"


class Base(DeclarativeBase):
    pass


class Guest(EncryptedRow, Base):
    __tablename__ = "guests"

    id: Mapped[int] = mapped_column(Integer, Sequence("guest_ids"), primary_key=True)
    email = Encrypted("guests.email", index=Index(ROWS, normalise="email"))
    phone = Encrypted("guests.phone", index=Index(ROWS, normalise="digits"), nullable=True)


@pytest.fixture
def engine(key_engine: Engine) -> Iterator[Engine]:
    Base.metadata.create_all(key_engine)
    create_index_keys(Guest)
    yield key_engine
    Base.metadata.drop_all(key_engine)


def test_rows_with_sequence_keys_are_encrypted_and_found(
    deployment: Deployment, engine: Engine
) -> None:
    wraps = "transit/encrypt/gaara-store-dev-pii"
    before = len(deployment.audit_lines(wraps))
    with Session(engine) as session:
        session.add_all([Guest(email=f"guest{number}@example.com") for number in range(200)])
        session.add(Guest(email="Ada@Example.com", phone="+44 20 7946 0000"))
        session.commit()
    with Session(engine) as session:
        (ada,) = find(session, Guest.email, "ada@example.com")
        assert (ada.email, ada.phone) == ("Ada@Example.com", "+44 20 7946 0000")
        assert find(session, Guest.phone, "0044 20 79460000") == [ada]
        assert session.scalar(select(func.count()).select_from(Guest)) == 201
        longest = text("SELECT max(length(email)) FROM guests")
        assert session.scalar(longest) == 33 + len("guest199@example.com")
    assert len(deployment.audit_lines(wraps)) == before + 1


@pytest.mark.usefixtures("default_client_on_server", "engine")
def test_asynchronous_session_finds_rows_by_run_sync() -> None:
    async def main() -> list[str]:
        engine = async_database_engine()
        async with AsyncSession(engine) as session:
            session.add(Guest(email="Ada@Example.com"))
            await session.commit()
            found = await session.run_sync(
                lambda session: find(session, Guest.email, "ada@example.com")
            )
            emails = [guest.email for guest in found]
        await engine.dispose()
        return emails

    assert asyncio.run(main()) == ["Ada@Example.com"]


def test_concurrent_processes_create_one_index_key(deployment: Deployment, engine: Engine) -> None:
    start = threading.Barrier(8)

    def begin(_: int) -> bytes | None:
        with closing(Client(deployment.settings)) as process:
            process.use_index_keys(TableIndexKeys(engine, INDEX_KEYS))
            index = process.indexes.index("guests.together", rows=ROWS)
            start.wait()
            index.create()
            return index.value("ada@example.com")

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(begin, range(8)))) == 1
    with engine.connect() as connection:
        count = text(f"SELECT count(*) FROM {INDEX_KEYS} WHERE index = 'guests.together'")
        assert connection.scalar(count) == 1


def test_index_key_moved_to_another_index_is_rejected(engine: Engine) -> None:
    settings: Settings = default_client.get_default_client().settings
    first = Client(settings)
    first.use_index_keys(TableIndexKeys(engine, INDEX_KEYS))
    first.indexes.index("guests.one", rows=ROWS).create()
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE {INDEX_KEYS} SET index = 'guests.two' WHERE index = 'guests.one'")
        )
    second = Client(settings)
    second.use_index_keys(TableIndexKeys(engine, INDEX_KEYS))
    with pytest.raises(IndexKeyLost, match=f"the table {INDEX_KEYS}"):
        second.indexes.index("guests.two", rows=ROWS).value("x")
    first.close()
    second.close()
