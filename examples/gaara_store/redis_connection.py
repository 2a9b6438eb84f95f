"""Connections to Redis, with leased users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

import redis
from pydantic import SecretStr

from app_integration import redis_client
from examples.gaara_store.problems import Unavailable

TIMEOUT: Final = 2.0  # seconds, to connect and for each answer


@contextmanager
def open_redis(url: SecretStr, part: str) -> Iterator[redis.Redis]:
    """Yield the client of the server at *url*. It repeats no command, because it counts.

    The users are leased, whatever user is in *url*. Errors in the block are raised as Unavailable.
    """
    try:
        yield build_client(url.get_secret_value())
    except (redis.RedisError, ValueError) as error:
        raise Unavailable(part, f"Redis: {type(error).__name__}") from None


@lru_cache(maxsize=1)  # one client, until another URL is delivered
def build_client(url: str) -> redis.Redis:
    """Return a client of the server at *url*, without connecting."""
    return redis_client(url=url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT)
