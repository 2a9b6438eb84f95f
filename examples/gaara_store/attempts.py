"""How often somebody may try to log in, counted in Redis.

It fails closed: while Redis is away, nobody logs in. Otherwise whoever can disturb Redis could
guess passwords without limit. Users who are logged in don't notice: their tokens need no Redis.

It counts by user name. So guessing from many addresses is stopped too, at a price: whoever knows a
name can keep its owner from logging in for :data:`WINDOW`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from examples.gaara_store.problems import Unavailable

LIMIT: Final = 10  # attempts for one user name
WINDOW: Final = 300  # seconds, from the first of them
TIMEOUT: Final = 2.0  # seconds, to connect and for each answer


@dataclass(frozen=True, slots=True)
class LoginAttempts:
    """The counters at *url*.

    Each use has a connection of its own. That costs little beside checking a password, and the URL
    is always the one delivered last.
    """

    url: SecretStr

    def count(self, username: str) -> int:
        """Count one more attempt; gives the seconds to wait before the next, 0 for none.

        Raises:
            Unavailable: Redis doesn't answer; the attempt must not go on.

        """
        key = _key(username)
        with self._client() as client, client.pipeline(transaction=True) as pipeline:
            # In one transaction, so that no counter is ever left without an end.
            pipeline.set(key, 0, ex=WINDOW, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
            _, attempts, left = pipeline.execute()
        return max(int(left), 1) if attempts > LIMIT else 0

    def forget(self, username: str) -> None:
        """Begin at zero again: the password was right. Raises as :meth:`count` does."""
        with self._client() as client:
            client.delete(_key(username))

    def ping(self) -> None:
        """Ask for an answer. Raises as :meth:`count` does."""
        with self._client() as client:
            client.ping()

    @contextmanager
    def _client(self) -> Iterator[redis.Redis]:
        try:
            with redis.Redis.from_url(
                self.url.get_secret_value(),
                socket_connect_timeout=TIMEOUT,
                socket_timeout=TIMEOUT,
                retry=Retry(NoBackoff(), 0),
            ) as client:
                yield client
        except (redis.RedisError, ValueError) as error:
            raise Unavailable("the login counter", f"Redis: {type(error).__name__}") from None


def _key(username: str) -> str:
    return f"login-attempts:{username}"
