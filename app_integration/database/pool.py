"""psycopg pools that connect as the current user of :class:`CredentialProvider`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, repeat
from time import monotonic, sleep
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed

from app_integration.database.credentials import CredentialProvider, Credentials

#: Seconds to wait after each connection in a row that can't be used; the last for all others. The
#: pool itself waits a second after the second: too long when all users of a role are revoked.
PAUSES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_FRESH: Final = "_strongroom_fresh"  # on a connection that hasn't been handed out yet


class _Outdated(psycopg.OperationalError):
    """An idle connection of a user that isn't the current one: the pool replaces it."""


class LeasedPool(ConnectionPool[Any]):
    """A ``psycopg_pool.ConnectionPool`` under the current user of *users*.

    A child that was forked with an open pool can't use it: its workers are the parent's.
    """

    def __init__(self, users: CredentialProvider, url: str, **options: Any) -> None:
        """Open it, unless ``open=False`` is among *options*.

        Args:
            users: gives the user at each physical connect.
            url: host and database; a user or password in it is not used.
            options: passed to ``psycopg_pool.ConnectionPool``. ``check`` is by default an empty
                query at each checkout, as SQLAlchemy's pre-ping.

        """
        self._users = users
        self._owner = os.getpid()
        self._ping = options.pop("check", ConnectionPool.check_connection)
        kind = _kind(users, options.pop("connection_class", Connection))
        options = {"open": True, **options}
        super().__init__(_address(url), connection_class=kind, **options)
        users.register_pool(self)

    def getconn(self, timeout: float | None = None) -> Any:
        """As the pool does, with shorter pauses. Raises PoolClosed in a forked child."""
        _refuse_in_child(self._owner)
        end = monotonic() + (self.timeout if timeout is None else timeout)
        for pause in _pauses():
            connection = super().getconn(_left(end))
            if self._is_good(connection):
                return connection
            sleep(min(pause, _left(end)))
        raise AssertionError("pauses have no end")

    def close(self, timeout: float = 5.0) -> None:
        """As the pool does; nothing in a forked child, whose connections are the parent's."""
        if os.getpid() == self._owner:
            super().close(timeout)

    def close_outdated(self) -> None:
        """As :meth:`Holder.close_outdated`."""
        if not self.closed:
            self.drain()

    def reset_after_fork(self) -> None:
        """As :meth:`Holder.reset_after_fork`: see :meth:`getconn`."""

    def _is_good(self, connection: Any) -> bool:
        """Whether to hand *connection* out; if not, the pool has it back, and replaces it."""
        good = False
        try:
            with suppress(Exception):  # whatever a check raises, as the pool does
                self._examine(connection)
                good = True
        finally:
            if not good:
                self.putconn(connection)
        return good

    def _examine(self, connection: Any) -> None:
        if not _is_fit(self._users, connection):
            connection.close()  # one that is open the pool would keep
            raise _Outdated
        if self._ping is None:
            return
        try:
            self._ping(connection)
        except psycopg.OperationalError:
            # Ended from outside, and so are the idle ones: one by one, the pool would pause.
            if self._users.is_current(connection.info.user):
                self.drain()
            raise


class AsyncLeasedPool(AsyncConnectionPool[Any]):
    """A ``psycopg_pool.AsyncConnectionPool`` under the current user of *users*."""

    def __init__(self, users: CredentialProvider, url: str, **options: Any) -> None:
        """As :class:`LeasedPool`; opened by ``async with`` or ``await pool.open()``."""
        self._users = users
        self._owner = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ping = options.pop("check", AsyncConnectionPool.check_connection)
        kind = _async_kind(users, options.pop("connection_class", AsyncConnection))
        options = {"open": False, **options}
        super().__init__(_address(url), connection_class=kind, **options)
        users.register_pool(self)

    async def getconn(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 (the pool's)
        """As the pool does, with shorter pauses. Raises PoolClosed in a forked child."""
        _refuse_in_child(self._owner)
        self._loop = asyncio.get_running_loop()
        end = monotonic() + (self.timeout if timeout is None else timeout)
        for pause in _pauses():
            connection = await super().getconn(_left(end))
            if await self._is_good(connection):
                return connection
            await asyncio.sleep(min(pause, _left(end)))
        raise AssertionError("pauses have no end")

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 (the pool's)
        """As :meth:`LeasedPool.close`."""
        if os.getpid() == self._owner:
            await super().close(timeout)

    def close_outdated(self) -> None:
        """In the loop whose connections they are, if it still runs."""
        loop = self._loop
        if loop is not None and loop.is_running() and not self.closed:
            loop.call_soon_threadsafe(partial(self._begin_retiring, loop))

    def reset_after_fork(self) -> None:
        """As :meth:`Holder.reset_after_fork`: see :meth:`getconn`."""

    def _begin_retiring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._retiring = loop.create_task(self.drain())  # the loop itself holds it only weakly

    async def _is_good(self, connection: Any) -> bool:
        good = False
        try:
            with suppress(Exception):
                await self._examine(connection)
                good = True
        finally:
            if not good:
                await self.putconn(connection)
        return good

    async def _examine(self, connection: Any) -> None:
        if not _is_fit(self._users, connection):
            await connection.close()
            raise _Outdated
        if self._ping is None:
            return
        try:
            await self._ping(connection)
        except psycopg.OperationalError:
            if self._users.is_current(connection.info.user):
                await self.drain()
            raise


def _kind(users: CredentialProvider, base: type[Any]) -> type[Any]:
    """*base*, connecting as the current user."""

    class Leased(base):  # type: ignore[misc] # the caller's class
        @classmethod
        def connect(cls, conninfo: str = "", **options: Any) -> Any:
            def open_(login: Credentials) -> Any:
                return base.connect.__func__(cls, conninfo, **{**options, **login.parameters()})

            return _mark(users.connect(open_))

    return Leased


def _async_kind(users: CredentialProvider, base: type[Any]) -> type[Any]:
    class Leased(base):  # type: ignore[misc] # as above
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Any:
            async def open_(login: Credentials) -> Any:
                parameters = {**options, **login.parameters()}
                return await base.connect.__func__(cls, conninfo, **parameters)

            return _mark(await users.aconnect(open_))

    return Leased


def _mark(connection: Any) -> Any:
    setattr(connection, _FRESH, True)
    return connection


def _is_fit(users: CredentialProvider, connection: Any) -> bool:
    """Whether to hand *connection* out: made just now, or of the current user."""
    fresh = connection.__dict__.pop(_FRESH, False)
    return fresh or users.is_current(connection.info.user)


def _pauses() -> Iterator[float]:
    return chain(PAUSES, repeat(PAUSES[-1]))


def _left(end: float) -> float:
    return max(end - monotonic(), 0)


def _address(url: str) -> str:
    """*url* as psycopg takes it: without SQLAlchemy's driver, without user and password."""
    scheme, _, rest = (url + "").partition("://")
    parts: dict[str, Any] = conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")
    return make_conninfo(**{**parts, "user": None, "password": None})


def _refuse_in_child(owner: int) -> None:
    if os.getpid() != owner:
        raise PoolClosed("this pool was made before the fork; make one in each process")
