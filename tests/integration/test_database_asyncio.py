"""Asyncio engines and pools with leased credentials: rotations, and an event loop that runs on."""

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
from tests.support.databases.database import ROLE, Database, eventually
from tests.support.databases.query_load import SESSION_USER, THREADS

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.alone]

ROTATIONS = 10
Query = Callable[[], Awaitable[str]]


@pytest.fixture
def users(service: Client) -> Iterator[LeasedCredentials]:
    provider = LeasedCredentials(service.session, ROLE)
    yield provider
    provider.close()


@pytest.fixture(params=["engine", "pool"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def open_query(kind: str, users: LeasedCredentials, url: str) -> AsyncIterator[Query]:
    if kind == "engine":
        engine = async_leased_engine(users, url, pool_size=THREADS, max_overflow=0)

        async def query_engine() -> str:
            async with engine.connect() as connection:
                return str((await connection.execute(text(SESSION_USER))).scalar())

        yield query_engine
        await engine.dispose()
    else:
        async with AsyncLeasedPool(users, url, min_size=4, max_size=THREADS) as pool:

            async def query_pool() -> str:
                async with pool.connection() as connection:
                    row: Any = await (await connection.execute(SESSION_USER)).fetchone()
                    return str(row[0])

            yield query_pool


def _has_answered(answered: Counter[str], user: str) -> bool:
    return answered[user] > 0


async def under_load(query: Query, users: LeasedCredentials) -> Counter[str]:
    """Query without pause through :data:`ROTATIONS` rotations; return the queries of each user."""
    answered: Counter[str] = Counter()
    over = asyncio.Event()

    async def work() -> None:
        while not over.is_set():
            answered[await query()] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(THREADS):
            tasks.create_task(work())
        for _ in range(ROTATIONS):
            new = (await asyncio.to_thread(users.rotate)).username
            assert await asyncio.to_thread(eventually, partial(_has_answered, answered, new))
        over.set()
    return answered


def test_rotations_lose_no_query(
    kind: str, users: LeasedCredentials, service: Client, database: Database
) -> None:
    url = service.secrets.get("database-url")

    async def main() -> Counter[str]:
        async with open_query(kind, users, url) as query:
            answered = await under_load(query, users)
            last = users.current().username
            is_dropped = await asyncio.to_thread(
                eventually, lambda: database.leased_users() <= {last}
            )
            assert is_dropped  # because idle connections of old users were closed in their own loop
            assert await query() == last
            return answered

    answered = asyncio.run(main())  # any failure raises from the task group
    assert len(answered) >= ROTATIONS
    assert database.dropped_users_sessions() == 0


def test_event_loop_runs_during_a_lease_request(
    kind: str, users: LeasedCredentials, service: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, get = service.secrets.get("database-url"), service.session.get
    requested, response = threading.Event(), threading.Event()

    def slow(path: str) -> dict[str, Any]:
        requested.set()
        assert response.wait(20)
        return get(path)

    monkeypatch.setattr(service.session, "get", slow)

    async def main() -> str:
        async with open_query(kind, users, url) as query:
            running = asyncio.ensure_future(query())
            assert await asyncio.to_thread(requested.wait, 20)
            response.set()  # a blocked event loop would never get here
            return await running

    assert asyncio.run(main()) == users.current().username
