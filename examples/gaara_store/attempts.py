"""A rate limit for logins, counted in Redis by user name, whatever the client's address is.

It fails closed: while Redis is unavailable, every login is rejected, because an attacker that can
disturb Redis could otherwise guess passwords without limit. The price of counting by name is that
an attacker can block the login of a known user for :data:`WINDOW` seconds.
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
        """Count one more attempt, and return the seconds to wait; 0 if it may continue.

        Raises Unavailable if Redis cannot be reached. The attempt must not continue then.
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
        """Delete the counter of *username*, after a login with the right password."""
        with self._client() as client:
            client.delete(_key(username))

    def ping(self) -> None:
        """Send PING to Redis."""
        with self._client() as client:
            client.ping()

    def _client(self) -> AbstractContextManager[redis.Redis]:
        return open_redis(self.url, "the login counter")


def _key(username: str) -> str:
    return f"login-attempts:{username}"
