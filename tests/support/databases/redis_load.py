"""Load on Redis: threads that increment counters, and what was acknowledged to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import redis

from app_integration.database import LeasedCredentials
from tests.support.databases.database import eventually
from tests.support.databases.query_load import repeating
from tests.support.databases.redis_site import RedisSite

THREADS = 8
#: Number of increments under a new user before the next rotation.
_USED = 50
#: Number of users that may exist at the next rotation: the current one and two to be dropped.
_USERS = 3


@dataclass
class Increments:
    acknowledged: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def total(self) -> int:
        """Return the number of acknowledged increments of all keys."""
        return sum(list(self.acknowledged.values()))


@contextmanager
def incrementing(client: redis.Redis) -> Iterator[Increments]:
    """Increment a counter from each of :data:`THREADS` threads until the block ends."""
    tally = Increments()

    def step(key: str) -> None:
        try:
            client.incr(key)
        except redis.RedisError as error:
            tally.failures.append(f"{type(error).__name__}: {error}")
        else:
            tally.acknowledged[key] += 1

    keys = [f"visits:{number}" for number in range(THREADS)]
    with repeating([partial(step, key) for key in keys]):
        yield tally


def prove_rotations(
    site: RedisSite, users: LeasedCredentials, client: redis.Redis, count: int
) -> int:
    """Rotate *count* times under load, and check that no increment was lost or repeated."""
    with incrementing(client) as tally:
        rotate(site, users, tally, count)
    assert tally.failures == []
    assert {key: site.count(key) for key in tally.acknowledged} == dict(tally.acknowledged)
    return tally.total()


def rotate(site: RedisSite, users: LeasedCredentials, tally: Increments, count: int) -> None:
    """Force *count* rotations, each after increments under the previous user.

    The server drops one user after the other, and meanwhile leases none. So each rotation waits
    for it, because requests for a lease would time out behind a backlog.
    """
    for _ in range(count):
        before = tally.total()
        users.rotate()
        assert eventually(lambda start=before: tally.total() > start + _USED)  # type: ignore[misc]
        users.maintain()
        assert eventually(lambda: len(site.leased_users()) <= _USERS)
