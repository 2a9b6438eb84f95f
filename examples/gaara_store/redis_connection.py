"""Connection to Redis for one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from examples.gaara_store.problems import Unavailable

TIMEOUT: Final = 2.0  # seconds, to connect and for each answer


@contextmanager
def open_redis(url: SecretStr, part: str) -> Iterator[redis.Redis]:
    """Yield a client of the server at *url*, with a connection of its own.

    That costs little, and ensures that each call uses the URL that was delivered last.

    Args:
        url: URL with the password.
        part: The part of the store that is unavailable without Redis, for the error.

    Raises:
        Unavailable: If a command in the block fails.

    """
    try:
        with redis.Redis.from_url(
            url.get_secret_value(),
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            yield client
    except (redis.RedisError, ValueError) as error:
        raise Unavailable(part, f"Redis: {type(error).__name__}") from None
