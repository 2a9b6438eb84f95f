"""Leased Redis users over many rotations and restarts: counters equal what was acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from app_integration.database import LeasedCredentials, LeasedRedisPool
from tests.support.databases.database import eventually
from tests.support.databases.redis_load import THREADS, incrementing, prove_rotations
from tests.support.databases.redis_site import RedisSite, leased, redis_site

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(3600)]

ROTATIONS = 100
RESTARTS = 10


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def users(site: RedisSite) -> Iterator[LeasedCredentials]:
    site.admin.flushall()
    with leased(site) as provider:
        yield provider


@pytest.fixture
def client(site: RedisSite, users: LeasedCredentials) -> Iterator[redis.Redis]:
    with redis.Redis.from_pool(LeasedRedisPool(users, site.url)) as running:
        yield running


def test_hundred_rotations_lose_and_repeat_no_increment(
    site: RedisSite,
    users: LeasedCredentials,
    client: redis.Redis,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("increments", prove_rotations(site, users, client, ROTATIONS))
    assert eventually(lambda: site.leased_users() == {users.current().username})


def test_restarts_count_at_most_the_commands_in_progress(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis
) -> None:
    with incrementing(client) as tally:
        for _ in range(RESTARTS):
            before = tally.total()
            assert eventually(lambda start=before: tally.total() > start + THREADS)  # type: ignore[misc]
            site.restart()
        before = tally.total()
        assert eventually(lambda: tally.total() > before + THREADS)
    assert 0 <= site.total(tally.acknowledged) - tally.total() <= RESTARTS * THREADS
    assert eventually(lambda: site.leased_users() == {users.current().username})
