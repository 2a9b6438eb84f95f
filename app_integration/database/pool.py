"""psycopg pools that connect with the current credentials of a :class:`CredentialProvider`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, repeat
from time import monotonic, sleep
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed

from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.endpoint import parse_url
from app_integration.database.loop_task import LoopTask

#: Seconds to wait after each consecutive connection that is not usable; the last one repeats. The
#: base class waits a second after the second, too long when all leases of a role are revoked.
BACKOFF: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_FRESH: Final = "_strongroom_fresh"  # set on a connection until its first checkout


class _OutdatedConnection(psycopg.OperationalError):
    """An idle connection whose user is not current, so the pool must replace it."""


class LeasedPool(ConnectionPool[Any]):
    """A ``psycopg_pool.ConnectionPool`` with a provider's current credentials.

    A forked child cannot use a pool that its parent opened, because the pool's threads do not
    survive a fork.
    """

    _is_disposed = False  # and not closed by the caller afterwards
    _disposed_at = 0.0  # by monotonic()

    def __init__(self, provider: CredentialProvider, url: str, **options: Any) -> None:
        """Open the pool, unless *options* has ``open=False``.

        Args:
            provider: Provides username and password at each physical connect.
            url: Host and database. A username or password in it is ignored.
            options: Passed to ``psycopg_pool.ConnectionPool``. By default ``check`` sends an empty
                query at each checkout, as SQLAlchemy's pre-ping does.

        """
        self._provider = provider
        self._owner_pid = os.getpid()
        self._ping = options.pop("check", ConnectionPool.check_connection)
        kind = _connection_class(provider, options.pop("connection_class", Connection))
        options = {"open": True, **options}
        super().__init__(make_conninfo(**parse_url(url)), connection_class=kind, **options)
        provider.register_pool(self)

    def getconn(self, timeout: float | None = None) -> Any:
        """Return a usable connection of the current user.

        Waits for a shorter time than the base class between connections that are not usable.

        Args:
            timeout: Seconds; by default those of the pool.

        Raises:
            PoolClosed: If the pool is closed, or was opened before a fork.
            PoolTimeout: If there is no usable connection within *timeout*.

        """
        _raise_in_child(self._owner_pid)
        if self._is_disposed:
            self.open()  # nothing, if it is open again
        end = monotonic() + (self.timeout if timeout is None else timeout)
        for pause in _backoff():
            connection = super().getconn(_seconds_left(end))
            if self._is_usable(connection):
                return connection
            sleep(min(pause, _seconds_left(end)))
        raise AssertionError("the backoff has no end")

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool, but not in a forked child, because its connections are the parent's."""
        if os.getpid() == self._owner_pid:
            if self._is_disposed:
                self._is_disposed, self._opened = False, True  # so that it cannot be opened again
            super().close(timeout)

    def putconn(self, conn: Any) -> None:
        """Return *conn* to the pool. One from before :meth:`dispose` is closed.

        The pool no longer counts that one, and would grow beyond its maximum.
        """
        if conn._pool is self and conn._created_at <= self._disposed_at:  # noqa: SLF001 (the base class has no public name)
            self._close_connection(conn)
        else:
            super().putconn(conn)

    def dispose(self) -> None:
        """Close the pool until its next use. One that the caller has closed stays closed."""
        if not self.closed:
            self.close()
            # The base class opens a pool once. It fills up to this number of connections.
            self._is_disposed, self._opened, self._nconns = True, False, self.min_size
            self._growing, self._disposed_at = False, monotonic()

    def close_outdated(self) -> None:
        """Close all idle connections now, and those in use when they return to the pool."""
        if not self.closed:
            self.drain()

    def reset_after_fork(self) -> None:
        """Do nothing, because :meth:`getconn` and :meth:`close` recognize a forked child."""

    def _is_usable(self, connection: Any) -> bool:
        """Return whether to check *connection* out; if not, return it to the pool."""
        is_usable = False
        try:
            with suppress(Exception):  # a check may raise anything, as in the base class
                self._raise_if_unusable(connection)
                is_usable = True
        finally:
            if not is_usable:
                self.putconn(connection)
        return is_usable

    def _raise_if_unusable(self, connection: Any) -> None:
        if not _is_fresh_or_current(self._provider, connection):
            connection.close()  # because the pool would keep an open one
            raise _OutdatedConnection
        if self._ping is None:
            return
        try:
            self._ping(connection)
        except psycopg.OperationalError:
            # The server probably closed the idle connections too, so replace all of them now:
            # one by one, each would cost a wait.
            if self._provider.is_current(connection.info.user):
                self.drain()
            raise


class AsyncLeasedPool(AsyncConnectionPool[Any]):
    """A ``psycopg_pool.AsyncConnectionPool`` with a provider's current credentials."""

    def __init__(self, provider: CredentialProvider, url: str, **options: Any) -> None:
        """Create the pool; open it with ``async with`` or ``await pool.open()``.

        Args:
            provider: Provides username and password at each physical connect.
            url: Host and database. A username or password in it is ignored.
            options: Passed to ``psycopg_pool.AsyncConnectionPool``. By default ``check`` sends an
                empty query at each checkout, as SQLAlchemy's pre-ping does.

        """
        self._provider = provider
        self._owner_pid = os.getpid()
        self._draining = LoopTask()
        self._ping = options.pop("check", AsyncConnectionPool.check_connection)
        kind = _async_connection_class(provider, options.pop("connection_class", AsyncConnection))
        options = {"open": False, **options}
        super().__init__(make_conninfo(**parse_url(url)), connection_class=kind, **options)
        provider.register_pool(self)

    async def getconn(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 (the pool's)
        """Return a usable connection of the current user.

        See :meth:`LeasedPool.getconn`.
        """
        _raise_in_child(self._owner_pid)
        self._draining.set_loop()
        end = monotonic() + (self.timeout if timeout is None else timeout)
        for pause in _backoff():
            connection = await super().getconn(_seconds_left(end))
            if await self._is_usable(connection):
                return connection
            await asyncio.sleep(min(pause, _seconds_left(end)))
        raise AssertionError("the backoff has no end")

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 (the pool's)
        """Close the pool, but not in a forked child, because its connections are the parent's."""
        if os.getpid() == self._owner_pid:
            await super().close(timeout)

    def close_outdated(self) -> None:
        """Schedule the closing of idle connections in the event loop that the pool is used in.

        Connections in use are closed when they return. Does nothing if that loop no longer runs.
        """
        if not self.closed:
            self._draining.start(self.drain)

    def reset_after_fork(self) -> None:
        """Do nothing, because :meth:`getconn` and :meth:`close` recognize a forked child."""

    async def _is_usable(self, connection: Any) -> bool:
        is_usable = False
        try:
            with suppress(Exception):
                await self._raise_if_unusable(connection)
                is_usable = True
        finally:
            if not is_usable:
                await self.putconn(connection)
        return is_usable

    async def _raise_if_unusable(self, connection: Any) -> None:
        if not _is_fresh_or_current(self._provider, connection):
            await connection.close()
            raise _OutdatedConnection
        if self._ping is None:
            return
        try:
            await self._ping(connection)
        except psycopg.OperationalError:
            if self._provider.is_current(connection.info.user):
                await self.drain()
            raise


def _connection_class(provider: CredentialProvider, base: type[Any]) -> type[Any]:
    """Return a subclass of *base* that connects with the current credentials of *provider*."""

    class Leased(base):  # type: ignore[misc] # the caller's class
        @classmethod
        def connect(cls, conninfo: str = "", **options: Any) -> Any:
            def open_(credentials: Credentials) -> Any:
                parameters = {**options, **credentials.parameters()}
                return base.connect.__func__(cls, conninfo, **parameters)

            return _mark_fresh(provider.connect(open_))

    return Leased


def _async_connection_class(provider: CredentialProvider, base: type[Any]) -> type[Any]:
    class Leased(base):  # type: ignore[misc] # as above
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Any:
            async def open_(credentials: Credentials) -> Any:
                parameters = {**options, **credentials.parameters()}
                return await base.connect.__func__(cls, conninfo, **parameters)

            return _mark_fresh(await provider.aconnect(open_))

    return Leased


def _mark_fresh(connection: Any) -> Any:
    setattr(connection, _FRESH, True)
    return connection


def _is_fresh_or_current(provider: CredentialProvider, connection: Any) -> bool:
    """Return whether this is the first checkout of *connection*, or its user is current."""
    is_fresh = connection.__dict__.pop(_FRESH, False)
    return is_fresh or provider.is_current(connection.info.user)


def _backoff() -> Iterator[float]:
    return chain(BACKOFF, repeat(BACKOFF[-1]))


def _seconds_left(end: float) -> float:
    return max(end - monotonic(), 0)


def _raise_in_child(owner_pid: int) -> None:
    if os.getpid() != owner_pid:
        raise PoolClosed(
            "this pool was opened before the fork and cannot be used in a child process; "
            "open a pool in each process"
        )
