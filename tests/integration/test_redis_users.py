"""Leased Redis users on a real Valkey: rotations lose and repeat no command."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from redis.cache import CacheConfig

from app_integration.database import AsyncLeasedRedisPool, LeasedCredentials, LeasedRedisPool
from app_integration.database.credentials import Credentials
from app_integration.errors import ConfigurationError
from tests.support.databases.database import eventually
from tests.support.databases.redis_load import THREADS, incrementing, prove_rotations
from tests.support.databases.redis_site import (
    RedisSite,
    leased,
    only_current_user_exists,
    redis_site,
)
from vault.declare.errors import InvalidValue
from vault.declare.schema.redis import ADMINISTRATIVE, check_rule

pytestmark = pytest.mark.requires("embedded")

NIGHTLY = (pytest.mark.nightly, pytest.mark.timeout(3600))
ROTATIONS = 20
ATTEMPTS = 30  # to receive a message
DELETES = {"cluster|flushslot"}  # keys only, as DEL does
INCREMENTS = 20  # of each task between two rotations


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_keys(site: RedisSite) -> None:
    site.admin.flushall()


@pytest.fixture
def users(site: RedisSite) -> Iterator[LeasedCredentials]:
    with leased(site) as provider:
        yield provider


@pytest.fixture
def client(site: RedisSite, users: LeasedCredentials) -> Iterator[redis.Redis]:
    with redis.Redis.from_pool(LeasedRedisPool(users, site.url)) as running:
        yield running


@pytest.mark.parametrize("rotations", [ROTATIONS, pytest.param(100, marks=NIGHTLY)])
def test_rotations_lose_and_repeat_no_increment(
    site: RedisSite,
    users: LeasedCredentials,
    client: redis.Redis,
    rotations: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("increments", prove_rotations(site, users, client, rotations))
    assert only_current_user_exists(site, users)


def test_rotation_closes_idle_connections_of_the_replaced_user(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis
) -> None:
    client.incr("visits:a")
    before = users.current().username
    users.rotate()
    assert users.open_connections(before) == 0
    assert only_current_user_exists(site, users)
    assert client.get("visits:a") == b"1"


def test_transaction_in_progress_keeps_its_user_until_it_ends(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis
) -> None:
    before = users.current().username
    with client.pipeline() as pipeline:
        pipeline.watch("visits:a")  # type: ignore[no-untyped-call]
        users.rotate()
        users.maintain()
        assert before in site.leased_users()
        pipeline.multi()
        pipeline.incr("visits:a")
        assert pipeline.execute() == [1]
    assert only_current_user_exists(site, users)


def test_transaction_of_a_revoked_user_raises_watch_error(
    users: LeasedCredentials, client: redis.Redis
) -> None:
    with client.pipeline() as pipeline:
        pipeline.watch("visits:a")  # type: ignore[no-untyped-call]
        users.close()
        pipeline.multi()
        pipeline.incr("visits:a")
        assert eventually(lambda: not _is_connected(pipeline))
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert client.get("visits:a") is None


def _is_connected(pipeline: Any) -> bool:
    try:
        return not pipeline.connection.can_read()
    except redis.ConnectionError:
        return False


def test_subscription_moves_to_the_next_user(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis
) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe("visits:news")
        pubsub.get_message(timeout=1)
        users.rotate()
        pubsub.get_message(timeout=1)
        assert only_current_user_exists(site, users)
        assert _delivered(client, pubsub)


def _delivered(client: redis.Redis, pubsub: Any) -> bool:
    def receive() -> bool:
        client.publish("visits:news", "one")
        message = pubsub.get_message(timeout=1)
        return message is not None and message["data"] == b"one"

    return eventually(receive)


class CountedCredentials(LeasedCredentials):
    """Leased credentials that count requests, and the threads they are made from."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.threads: list[int] = []
        self.rejected = 0
        super().__init__(*args, **options)

    def current(self) -> Any:
        self.threads.append(threading.get_ident())
        return super().current()

    def on_auth_failure(self, credentials: Credentials) -> None:
        self.rejected += 1
        super().on_auth_failure(credentials)


@pytest.fixture
def counted(site: RedisSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedCredentials]:
    monkeypatch.setattr("tests.support.databases.redis_site.LeasedCredentials", CountedCredentials)
    with leased(site) as provider:
        assert isinstance(provider, CountedCredentials)
        yield provider


def test_client_after_a_restart_leases_one_other_user(
    site: RedisSite, counted: CountedCredentials
) -> None:
    with redis.Redis.from_pool(LeasedRedisPool(counted, site.url)) as client:
        client.incr("visits:a")
        before = counted.current().username
        counted.threads.clear()
        site.restart()
        assert client.incr("visits:a") == 2
        assert (counted.rejected, len(counted.threads)) == (1, 2)
    assert site.leased_users() == {counted.current().username} != {before}


def test_async_rotations_lose_and_repeat_no_increment(
    site: RedisSite, counted: CountedCredentials
) -> None:
    asyncio.run(_increment_and_rotate(site, counted))
    # The event loop ran in this thread, and no request for a lease blocked it.
    assert threading.get_ident() not in counted.threads
    expected = ROTATIONS * INCREMENTS  # because no increment failed
    assert {site.count(f"visits:{number}") for number in range(THREADS)} == {expected}


async def _increment_and_rotate(site: RedisSite, users: LeasedCredentials) -> None:
    async def increment(client: AsyncRedis, key: str) -> None:
        for _ in range(INCREMENTS):
            await client.incr(key)

    async with AsyncRedis.from_pool(AsyncLeasedRedisPool(users, site.url)) as client:
        for _ in range(ROTATIONS):
            tasks = [increment(client, f"visits:{number}") for number in range(THREADS)]
            await asyncio.gather(asyncio.to_thread(users.rotate), *tasks)
        assert await asyncio.to_thread(only_current_user_exists, site, users)


def test_async_subscription_moves_to_the_next_user(
    site: RedisSite, users: LeasedCredentials
) -> None:
    async def receive(client: AsyncRedis, pubsub: Any) -> bool:
        await client.publish("visits:news", "one")
        message = await pubsub.get_message(timeout=1)
        return message is not None and message["data"] == b"one"

    async def main() -> None:
        async with (
            AsyncRedis.from_pool(AsyncLeasedRedisPool(users, site.url)) as client,
            client.pubsub(ignore_subscribe_messages=True) as pubsub,
        ):
            await pubsub.subscribe("visits:news")
            assert await pubsub.get_message(timeout=1) is None
            await asyncio.to_thread(users.rotate)
            assert await pubsub.get_message(timeout=1) is None
            assert await asyncio.to_thread(only_current_user_exists, site, users)
            for _ in range(ATTEMPTS):
                if await receive(client, pubsub):
                    return
            pytest.fail("the subscription did not move to the new user")

    asyncio.run(main())


def as_text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def test_no_accepted_category_has_a_command_that_administers(site: RedisSite) -> None:
    accepted: dict[str, set[str]] = {}
    for category in map(as_text, site.admin.acl_cat()):
        with contextlib.suppress(InvalidValue):
            check_rule(f"+@{category}")
            accepted[category] = set(map(as_text, site.admin.acl_cat(category)))
    assert {"read", "write", "fast"} <= accepted.keys()
    found = {
        category: {each for each in commands if each.partition("|")[0] in ADMINISTRATIVE} - DELETES
        for category, commands in accepted.items()
    }
    assert {category: each for category, each in found.items() if each} == {}


@pytest.mark.parametrize("secret", ["p/art", "p#art", "p?art@x:y"])
def test_url_that_cannot_be_read_is_not_shown(users: LeasedCredentials, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encode") as caught:
        LeasedRedisPool(users, f"redis://:{secret}@127.0.0.1:x/0")
    assert caught.value.__context__ is None


def test_reset_after_a_fork_replaces_a_lock_that_a_thread_of_the_parent_held(
    site: RedisSite, users: LeasedCredentials
) -> None:
    pool, held, end = LeasedRedisPool(users, site.url), threading.Event(), threading.Event()

    def hold() -> None:
        with pool._lock:
            held.set()
            end.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(30)
        pool.reset_after_fork()
        assert pool._lock.acquire(timeout=5)
        pool._lock.release()
    finally:
        end.set()
        thread.join()


def test_cache_of_the_library_is_refused(site: RedisSite, users: LeasedCredentials) -> None:
    with pytest.raises(ConfigurationError, match="cache_config: a client with leased users"):
        LeasedRedisPool(users, site.url, cache_config=CacheConfig(), protocol=3)


@pytest.mark.parametrize("restarts", [1, pytest.param(10, marks=NIGHTLY)])
def test_load_over_restarts_counts_at_most_the_commands_in_progress(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis, restarts: int
) -> None:
    with incrementing(client) as tally:
        for _ in range(restarts):
            before = tally.total()
            assert eventually(lambda start=before: tally.total() > start + THREADS)  # type: ignore[misc]
            site.restart()
        before = tally.total()
        assert eventually(lambda: tally.total() > before + THREADS)
    uncertain = site.total(tally.acknowledged) - tally.total()
    assert 0 <= uncertain <= restarts * THREADS
    assert only_current_user_exists(site, users)


def test_representations_hold_no_password(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis
) -> None:
    client.incr("visits:a")
    connection = client.connection_pool.get_connection()
    shown = f"{client!r} {client.connection_pool!r} {connection!r} {vars(connection)!r}"
    client.connection_pool.release(connection)
    assert users.current().password.reveal() not in shown
    assert site.url.reveal().split(":")[2].split("@")[0] not in shown
