"""redis-py pools that connect with the current credentials of a :class:`CredentialProvider`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from redis import Connection, ConnectionPool
from redis import asyncio as aioredis
from redis import connection as sync_connection
from redis.asyncio import connection as async_connection

from app_integration.database.credentials import CredentialProvider
from app_integration.database.loop_task import LoopTask
from app_integration.database.redis_connection import (
    async_leased_connection_class,
    leased_connection_class,
)
from app_integration.database.url_options import parse_options
from app_integration.errors import ConfigurationError

#: Options with which the pool has connections of another class, which share a cache.
_CACHE_OPTIONS = ("cache", "cache_config")
#: Options of a URL that name a user. The provider has its own.
_USER_OPTIONS = ("username", "password")


class LeasedRedisPool(ConnectionPool):
    """A ``redis.ConnectionPool`` with a provider's current credentials.

    Its connections repeat no command, unless the option ``retry`` says so: a command may have been
    executed when its response is lost, and a repeated INCR counts twice.
    """

    def __init__(self, provider: CredentialProvider, url: str, **options: Any) -> None:
        """Create the pool without a connection.

        Args:
            provider: Provides username and password at each physical connect.
            url: Host and database. A username or password in it is ignored.
            options: Passed to ``redis.ConnectionPool``, which may not cache.

        Raises:
            ConfigurationError: If *url* cannot be read, or *options* ask for a cache.

        """
        _reject_cache(options)
        options = {**_without_user(url, sync_connection.parse_url), **options}
        base = options.pop("connection_class", Connection)
        super().__init__(leased_connection_class(base), provider=provider, **options)
        provider.register_pool(self)

    def release(self, connection: Any) -> None:
        """Return *connection* to the pool; close it first if its user is not current."""
        if connection.is_outdated():
            connection.disconnect()
        super().release(connection)

    def close_outdated(self) -> None:
        """Close the idle connections of users that are not current."""
        with self._lock:  # so that no thread checks one of them out
            for connection in self._available_connections:
                if connection.is_outdated():
                    connection.disconnect()

    def reset_after_fork(self) -> None:
        """Recreate the locks, which a thread of the parent may have held during the fork.

        The pool itself recognizes a forked child at its next use.
        """
        self._lock, self._fork_lock = threading.RLock(), threading.RLock()


class AsyncLeasedRedisPool(aioredis.ConnectionPool):
    """A ``redis.asyncio.ConnectionPool`` with a provider's current credentials.

    Like those of :class:`LeasedRedisPool`, its connections repeat no command.
    """

    def __init__(self, provider: CredentialProvider, url: str, **options: Any) -> None:
        """Create the pool without a connection.

        Args:
            provider: Provides username and password at each physical connect, from a thread.
            url: Host and database. A username or password in it is ignored.
            options: Passed to ``redis.asyncio.ConnectionPool``.

        """
        self._closing = LoopTask()
        options = {**_without_user(url, async_connection.parse_url), **options}
        base = options.pop("connection_class", aioredis.Connection)
        super().__init__(async_leased_connection_class(base), provider=provider, **options)
        provider.register_pool(self)

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection of the current user."""
        self._closing.set_loop()
        return await super().get_connection(*args, **options)  # type: ignore[no-untyped-call]

    async def release(self, connection: Any) -> None:
        """Return *connection* to the pool; close it first if its user is not current."""
        if connection.is_outdated():
            await connection.disconnect(nowait=True)
        await super().release(connection)

    def close_outdated(self) -> None:
        """Schedule the closing of idle connections in the event loop that the pool is used in.

        Does nothing if that loop no longer runs.
        """
        self._closing.start(self._close_outdated)

    def reset_after_fork(self) -> None:
        """Forget the parent's event loop. A child must create a pool of its own."""
        self._closing = LoopTask()

    async def _close_outdated(self) -> None:
        async with self._lock:  # so that no task checks one of them out
            connections: list[Any] = self._available_connections
            for connection in connections:
                if connection.is_outdated():
                    await connection.disconnect(nowait=True)


def _without_user(url: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    """Return the options in *url*, without username and password."""
    options = parse_options(url, parse, ValueError, "Redis")
    return {name: value for name, value in options.items() if name not in _USER_OPTIONS}


def _reject_cache(options: dict[str, Any]) -> None:
    """Raise an error if *options* ask for redis-py's cache.

    It would have values of a revoked user, and its connections have no user of their own.
    """
    for name in _CACHE_OPTIONS:
        if options.get(name) is not None:
            raise ConfigurationError(f"{name}: a client with leased users has no cache; remove it")
