"""SQLAlchemy engines that connect as the current user of :class:`CredentialProvider`."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import URL, AsyncAdaptedQueuePool, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only, greenlet_spawn

from app_integration.database.credentials import CredentialProvider, Credentials

_USER = "strongroom_user"  # in a record's info: whom the connection is logged in as
_FRESH = "strongroom_fresh"  # ... and that it hasn't been handed out yet


class _Retiring(QueuePool):
    """A pool that can close idle connections one by one; ``dispose`` would orphan used ones."""

    def close_outdated(self, is_current: Callable[[str], bool]) -> None:
        """Close each idle connection whose user doesn't fit; its place in the pool stays."""
        for _ in range(self.checkedin()):
            try:
                record = self._pool.get(False)
            except queue.Empty:
                return
            if not is_current(record.info.get(_USER, "")):
                record.invalidate()
            self._do_return_conn(record)


class _AsyncRetiring(_Retiring, AsyncAdaptedQueuePool):
    """The same for asyncio."""


class _Connections:
    """The connections of one engine: made, handed out and taken back here."""

    def __init__(self, users: CredentialProvider, engine: Engine) -> None:
        self._users = users
        self._engine = engine
        event.listen(engine, "do_connect", self.connect)
        event.listen(engine, "checkout", self.hand_out)
        event.listen(engine, "checkin", self.take_back)
        users.register_pool(self)

    def connect(self, dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """A new connection under the current user."""

        def open_(login: Credentials) -> Any:
            # A copy: changing cparams in place would fix this user in every later connect.
            return dialect.connect(*cargs, **{**cparams, **login.parameters()})

        return self._note(record, self._users.connect(open_))

    def hand_out(self, _connection: Any, record: Any, _proxy: Any) -> None:
        """Have a connection that a rotation or an outage left behind replaced, once."""
        fresh = record.info.pop(_FRESH, False)
        if not fresh and not self._users.is_current(record.info[_USER]):
            raise DisconnectionError("the database user was rotated")

    def take_back(self, connection: Any, record: Any) -> None:
        """Close what belongs to an old user: that can be given back with its last connection."""
        if connection is not None and not self._users.is_current(record.info[_USER]):
            record.invalidate()

    def close_outdated(self) -> None:
        """As :meth:`Holder.close_outdated`."""
        pool = self._engine.pool
        if isinstance(pool, _Retiring):
            pool.close_outdated(self._users.is_current)

    def reset_after_fork(self) -> None:
        """As :meth:`Holder.reset_after_fork`."""
        self._engine.dispose(close=False)

    @staticmethod
    def _note(record: Any, connection: Any) -> Any:
        record.info[_USER] = connection.info.user
        record.info[_FRESH] = True
        return connection


class _AsyncConnections(_Connections):
    """The same for an engine of asyncio."""

    _loop: asyncio.AbstractEventLoop | None = None

    def connect(self, dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """A new connection under the current user, without holding up the loop."""
        self._loop = asyncio.get_running_loop()

        async def open_(login: Credentials) -> Any:
            parameters = {**cparams, **login.parameters()}
            return await greenlet_spawn(dialect.connect, *cargs, **parameters)

        return self._note(record, await_only(self._users.aconnect(open_)))

    def close_outdated(self) -> None:
        """In the loop whose connections they are, if it still runs."""
        loop = self._loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(partial(self._begin_retiring, loop))

    def _begin_retiring(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(greenlet_spawn(super().close_outdated))
        self._retiring = task  # the loop itself holds a task only weakly


def leased_engine(users: CredentialProvider, url: str, **options: Any) -> Engine:
    """A SQLAlchemy engine that connects as the current user of *users*.

    Args:
        users: gives the user at each physical connect.
        url: driver, host and database; a user or password in it is not used.
        options: passed to ``sqlalchemy.create_engine``.

    """
    defaults = {"pool_pre_ping": True, "poolclass": _Retiring}
    engine = create_engine(_address(url), **{**defaults, **options})
    _Connections(users, engine)
    return engine


def async_leased_engine(users: CredentialProvider, url: str, **options: Any) -> AsyncEngine:
    """As :func:`leased_engine`, for asyncio; *options* go to ``create_async_engine``.

    Dispose of it in the loop that it was used in.
    """
    defaults = {"pool_pre_ping": True, "poolclass": _AsyncRetiring}
    engine = create_async_engine(_address(url), **{**defaults, **options})
    _AsyncConnections(users, engine.sync_engine)
    return engine


def _address(url: str) -> URL:
    # make_url matches on the characters, so a Secret works; render nothing of it.
    given = make_url(url)
    return URL.create(
        given.drivername,
        host=given.host,
        port=given.port,
        database=given.database,
        query=given.query,
    )
