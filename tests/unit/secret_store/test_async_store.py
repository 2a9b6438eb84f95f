"""Tests of the coroutines: the event loop keeps running, and one request serves all tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import pytest

from app_integration import (
    acurrent_and_previous,
    aencrypt_field,
    aget_secret,
    arequire,
    averification_keys,
    default_client,
    get_secret,
)
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import (
    DeadlineExceeded,
    SecretNotFound,
    SecretsMissing,
    Unreachable,
    WrongType,
)
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.async_store import AsyncSecretStore
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.settings import DATABASE, Limits, Settings
from app_integration.sources import FetchedSecret
from app_integration.testing.application import MemoryApplication, in_memory
from app_integration.transport.request import RequestSender, Response
from tests.unit.secret_store.test_store import SCOPE

TURNS = 1000  # iterations of the event loop while the server does not answer


class BlockingServer:
    """Source that blocks each request until the test releases it."""

    is_authoritative = True

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.requested = threading.Semaphore(0)
        self.calls = 0

    def fetch(self, _name: str, *_: object) -> FetchedSecret:
        self.calls += 1
        self.requested.release()
        assert self.answer.wait(10)
        return FetchedSecret(Secret("the value"), "vault", 1)


@pytest.fixture
def server() -> BlockingServer:
    return BlockingServer()


@pytest.fixture
def secrets(server: BlockingServer) -> Iterator[AsyncSecretStore]:
    audit = AuditLog(SCOPE, lambda _line: None)
    store = SecretStore([server], audit, registry=redaction.SecretRegistry())
    both = AsyncSecretStore(store)
    yield both
    server.answer.set()
    both.close()
    store.close()


async def run_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def wait_for_request(server: BlockingServer) -> None:
    """Wait until a request has reached *server*."""
    while not server.requested.acquire(blocking=False):  # noqa: ASYNC110 (a thread sets it, not a task)
        await asyncio.sleep(0)


@pytest.mark.parametrize("what", ["get", "require", "current_and_previous", "verification_keys"])
def test_event_loop_runs_while_the_server_is_slow(
    secrets: AsyncSecretStore, server: BlockingServer, what: str
) -> None:
    """A blocked loop would never end, because the server answers only after the loop has run."""

    async def scenario() -> Any:
        argument: Any = ["jwt-secret"] if what == "require" else "jwt-secret"
        task = asyncio.create_task(getattr(secrets, what)(argument))
        await wait_for_request(server)
        await run_loop(TURNS)
        assert not task.done()
        server.answer.set()
        return await task

    expected = {
        "get": "the value",
        "require": None,
        "current_and_previous": ("the value", None),
        "verification_keys": ("the value",),
    }
    assert asyncio.run(scenario()) == expected[what]


def test_tasks_that_miss_concurrently_send_one_request(
    secrets: AsyncSecretStore, server: BlockingServer
) -> None:
    async def scenario() -> Any:
        tasks = [asyncio.create_task(secrets.get("jwt-secret")) for _ in range(64)]
        await run_loop(10)
        server.answer.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == ["the value"] * 64
    assert server.calls == 1


def test_tasks_and_threads_share_one_request(
    secrets: AsyncSecretStore, server: BlockingServer
) -> None:
    values: list[str] = []
    thread = threading.Thread(target=lambda: values.append(secrets.store.get("jwt-secret")))
    thread.start()
    assert server.requested.acquire(timeout=10)

    async def scenario() -> Any:
        task = asyncio.create_task(secrets.get("jwt-secret"))
        await run_loop(10)
        server.answer.set()
        return await task

    assert asyncio.run(scenario()) == "the value"
    thread.join()
    assert values == ["the value"]
    assert server.calls == 1


def test_cancelled_task_does_not_cancel_the_shared_request(
    secrets: AsyncSecretStore, server: BlockingServer
) -> None:
    async def scenario() -> Any:
        first, second = (asyncio.create_task(secrets.get("jwt-secret")) for _ in range(2))
        await wait_for_request(server)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.answer.set()
        return await second

    assert asyncio.run(scenario()) == "the value"
    assert server.calls == 1


def test_request_of_cancelled_tasks_serves_the_next_task(
    secrets: AsyncSecretStore, server: BlockingServer
) -> None:
    async def scenario() -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await secrets.get("jwt-secret")
        task = asyncio.create_task(secrets.get("jwt-secret"))
        await run_loop(10)
        server.answer.set()
        return await task

    assert asyncio.run(scenario()) == "the value"
    assert server.calls == 1


def test_task_that_waits_for_a_thread_times_out(server: BlockingServer) -> None:
    secrets = store_with_one_thread(server, deadline=0.05)

    async def scenario() -> None:
        first = asyncio.create_task(secrets.get("first"))
        await run_loop(10)
        with pytest.raises(DeadlineExceeded, match="no thread was free"):
            await secrets.get("second")
        server.answer.set()
        with pytest.raises(DeadlineExceeded):
            await first

    asyncio.run(scenario())
    secrets.close()


def store_with_one_thread(server: BlockingServer, deadline: float = 10.0) -> AsyncSecretStore:
    """Return a store with one thread for fetches."""
    limits = Limits(deadline=deadline, fetch_threads=1)
    audit = AuditLog(SCOPE, lambda _line: None)
    return AsyncSecretStore(
        SecretStore([server], audit, limits=limits, registry=redaction.SecretRegistry())
    )


def test_queued_fetch_still_ends_after_close(server: BlockingServer) -> None:
    """A thread that waits for a task's queued fetch gets its result too."""
    secrets = store_with_one_thread(server)
    values: list[str] = []

    async def scenario() -> str:
        first, second = (asyncio.create_task(secrets.get(name)) for name in ("first", "second"))
        await wait_for_request(server)
        thread = threading.Thread(target=lambda: values.append(secrets.store.get("second")))
        thread.start()
        secrets.close()
        server.answer.set()
        await first
        value: str = await second
        thread.join(10)
        return value

    assert asyncio.run(scenario()) == "the value"
    assert values == ["the value"]


def test_require_does_not_occupy_the_thread_of_a_fetch(server: BlockingServer) -> None:
    secrets = store_with_one_thread(server)

    async def scenario() -> Any:
        require_task = asyncio.create_task(secrets.require(["first", "second"]))
        await wait_for_request(server)
        task = asyncio.create_task(secrets.get("second"))
        await run_loop(10)
        server.answer.set()
        return await asyncio.gather(require_task, task)

    assert asyncio.run(scenario()) == [None, "the value"]
    secrets.close()


def test_thread_that_waits_for_a_queued_fetch_times_out(server: BlockingServer) -> None:
    secrets = store_with_one_thread(server, deadline=0.05)

    async def scenario() -> None:
        tasks = [asyncio.create_task(secrets.get(name)) for name in ("first", "second")]
        await wait_for_request(server)
        with pytest.raises(DeadlineExceeded, match="no thread was free"):
            await asyncio.to_thread(secrets.store.get, "second")
        server.answer.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())
    secrets.close()


def test_event_loop_runs_while_the_first_cipher_is_built() -> None:
    """Building the cipher requests the address of the database with the data keys."""
    requested, answer = threading.Event(), threading.Event()

    class Unavailable(RequestSender):
        def exchange(self, *_: object, **__: object) -> Response:
            requested.set()
            assert answer.wait(10)
            raise Unreachable("unavailable")

        def close(self) -> None:
            """Do nothing: there is no connection."""

    async def scenario() -> None:
        encrypting = asyncio.create_task(aencrypt_field("ada"))
        while not requested.is_set():  # noqa: ASYNC110 (a thread sets it, not a task)
            await asyncio.sleep(0)
        await run_loop(TURNS)
        assert not encrypting.done()
        answer.set()
        with pytest.raises(Unreachable):
            await encrypting

    limits = Limits(retry_window=0.0)
    session = Session(
        "https://vault", StaticToken(Secret("given")), limits=limits, connect=Unavailable
    )
    settings = Settings(SCOPE, "https://vault", data_keys=DATABASE, limits=limits)
    default_client.configure(settings, session=session)
    try:
        asyncio.run(scenario())
    finally:
        default_client.close()


def test_async_store_has_the_errors_defaults_and_types_of_the_store(tmp_path: Path) -> None:
    async def scenario(app: MemoryApplication) -> None:
        app.put("port", "5432")
        app.put("port", "5433")
        assert_type(await aget_secret("port", as_type=int), int)
        assert await aget_secret("port", as_type=int) == 5433
        assert await aget_secret("port", version=1) == "5432"
        assert await aget_secret("absent", default=None) is None
        with pytest.raises(WrongType):
            await aget_secret("port", as_type=dict)
        with pytest.raises(SecretNotFound):
            await aget_secret("absent")
        assert await acurrent_and_previous("port") == ("5433", "5432")
        assert await averification_keys("port") == ("5433", "5432")
        await arequire(["port"])
        with pytest.raises(SecretsMissing):
            await arequire(["port", "absent"])
        assert get_secret("port") == "5433"

    with in_memory("shop", tmp_path) as app:
        asyncio.run(scenario(app))


def test_async_secrets_are_built_in_a_thread(tmp_path: Path) -> None:
    """Building the objects reads files and imports modules, which would block the loop."""
    threads: list[str] = []
    with in_memory("shop", tmp_path) as app:
        app.put("jwt-secret", "one")
        original = Client.async_secrets

        def record_thread(client: Client) -> AsyncSecretStore:
            threads.append(threading.current_thread().name)
            result: AsyncSecretStore = original.__get__(client)
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "async_secrets", property(record_thread))
            for _ in range(2):
                assert asyncio.run(aget_secret("jwt-secret")) == "one"
    assert len(threads) == 1
    assert threads != ["MainThread"]


def test_error_of_the_server_is_raised_in_every_task(
    secrets: AsyncSecretStore, server: BlockingServer
) -> None:
    def failing(*_: object) -> FetchedSecret:
        server.answer.wait(10)
        raise Unreachable("unavailable")

    server.fetch = failing  # type: ignore[method-assign, assignment] # this one fails

    async def scenario() -> list[Any]:
        tasks = [asyncio.create_task(secrets.get("jwt-secret")) for _ in range(8)]
        await run_loop(10)
        server.answer.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in asyncio.run(scenario())] == [Unreachable] * 8
