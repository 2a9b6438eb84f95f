"""Engines and pools of asyncio under leased users: rotations, and a loop that never waits."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from app_integration.client import Client
from app_integration.database import AsyncLeasedPool, LeasedCredentials, async_leased_engine
from tests.support.databases.busy import THREADS, WHO
from tests.support.databases.database import ROLE, Database, eventually

pytestmark = pytest.mark.requires("embedded")

ROTATIONS = 10
Ask = Callable[[], Awaitable[str]]


@pytest.fixture
def users(service: Client) -> Iterator[LeasedCredentials]:
    held = LeasedCredentials(service.session, ROLE)
    yield held
    held.close()


@pytest.fixture(params=["engine", "pool"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def asking(kind: str, users: LeasedCredentials, url: str) -> AsyncIterator[Ask]:
    if kind == "engine":
        engine = async_leased_engine(users, url, pool_size=THREADS, max_overflow=0)

        async def ask_engine() -> str:
            async with engine.connect() as connection:
                return str((await connection.execute(text(WHO))).scalar())

        yield ask_engine
        await engine.dispose()
    else:
        async with AsyncLeasedPool(users, url, min_size=4, max_size=THREADS) as pool:

            async def ask_pool() -> str:
                async with pool.connection() as connection:
                    row: Any = await (await connection.execute(WHO)).fetchone()
                    return str(row[0])

            yield ask_pool


def _seen(answered: Counter[str], user: str) -> bool:
    return answered[user] > 0


async def under_load(ask: Ask, users: LeasedCredentials) -> Counter[str]:
    """Queries by user, of tasks that ask all the time through :data:`ROTATIONS` rotations."""
    answered: Counter[str] = Counter()
    over = asyncio.Event()

    async def work() -> None:
        while not over.is_set():
            answered[await ask()] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(THREADS):
            tasks.create_task(work())
        for _ in range(ROTATIONS):
            new = (await asyncio.to_thread(users.rotate)).username
            assert await asyncio.to_thread(eventually, partial(_seen, answered, new))
        over.set()
    return answered


def test_rotations_lose_no_query(
    kind: str, users: LeasedCredentials, service: Client, database: Database
) -> None:
    url = service.secrets.get("database-url")

    async def main() -> Counter[str]:
        async with asking(kind, users, url) as ask:
            answered = await under_load(ask, users)
            last = users.current().username
            gone = await asyncio.to_thread(eventually, lambda: database.leased() <= {last})
            assert gone  # the idle connections of old users were closed, in their own loop
            assert await ask() == last
            return answered

    answered = asyncio.run(main())  # any failure ends the group of tasks
    assert len(answered) >= ROTATIONS
    assert database.ghosts() == 0


def test_while_the_server_is_asked_the_loop_goes_on(
    kind: str, users: LeasedCredentials, service: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, get = service.secrets.get("database-url"), service.session.get
    asked, answer = threading.Event(), threading.Event()

    def slow(path: str) -> dict[str, Any]:
        asked.set()
        assert answer.wait(20)
        return get(path)

    monkeypatch.setattr(service.session, "get", slow)

    async def main() -> str:
        async with asking(kind, users, url) as ask:
            query = asyncio.ensure_future(ask())
            assert await asyncio.to_thread(asked.wait, 20)
            answer.set()  # a loop that waits for the server never comes here
            return await query

    assert asyncio.run(main()) == users.current().username
