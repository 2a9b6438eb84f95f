"""A rate limit for logins, counted in Redis.

It fails closed: while Redis is unavailable, every login is rejected. Otherwise an attacker who can
disturb Redis could guess passwords without limit. Users who are logged in are not affected, because
verifying their tokens does not need Redis.

Attempts are counted per user name. This also stops guessing from many addresses. The price is that
an attacker who knows a user name can block that user's login for :data:`WINDOW` seconds.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import redis
from pydantic import SecretStr

from examples.gaara_store.redis_connection import open_redis

LIMIT: Final = 10  # attempts for one user name
WINDOW: Final = 300  # seconds, from the first of them


@dataclass(frozen=True, slots=True)
class LoginAttempts:
    """Login counters in the Redis server at *url*."""

    url: SecretStr

    def count(self, username: str) -> int:
        """Count one more attempt.

        Returns:
            The seconds to wait before the next attempt. If it is 0, this attempt may continue.

        Raises:
            Unavailable: If Redis cannot be reached. The attempt must not continue.

        """
        key = _key(username)
        with self._client() as client, client.pipeline(transaction=True) as pipeline:
            # In one transaction, so that no counter is ever left without a TTL.
            pipeline.set(key, 0, ex=WINDOW, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
            _, attempts, left = pipeline.execute()
        return max(int(left), 1) if attempts > LIMIT else 0

    def reset(self, username: str) -> None:
        """Delete the counter of *username*, after a login with the right password.

        Raises:
            Unavailable: If Redis cannot be reached.

        """
        with self._client() as client:
            client.delete(_key(username))

    def ping(self) -> None:
        """Send PING to Redis.

        Raises:
            Unavailable: If Redis cannot be reached.

        """
        with self._client() as client:
            client.ping()

    def _client(self) -> AbstractContextManager[redis.Redis]:
        return open_redis(self.url, "the login counter")


def _key(username: str) -> str:
    return f"login-attempts:{username}"
