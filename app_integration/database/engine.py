"""SQLAlchemy engines that connect with the current credentials of a :class:`CredentialProvider`.

Those for asyncio are in :mod:`.async_engine`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from app_integration._internal.server_urls import is_postgresql
from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.url_options import has_part_of_login, unreadable_url

# Keys of a connection record's info.
_USER = "strongroom_user"  # the username that the connection was opened with
_FRESH = "strongroom_fresh"  # set until the first checkout of the connection


class RotatingQueuePool(QueuePool):
    """A queue pool that can close some of its idle connections.

    ``dispose`` replaces the whole pool, and loses track of the connections that are in use.
    """

    __module__ = QueuePool.__module__  # which names its logger, so that it logs as SQLAlchemy's

    def close_outdated(self, is_current: Callable[[str], bool]) -> None:
        """Close each idle connection whose user is not current, and keep its record in the pool."""
        for _ in range(self.checkedin()):
            try:
                record = self._pool.get(False)
            except queue.Empty:
                return
            if not is_current(record.info.get(_USER, "")):
                record.invalidate()
            self._do_return_conn(record)


class EngineEvents:
    """Event listeners of one engine for connect, checkout and checkin."""

    def __init__(self, provider: CredentialProvider, engine: Engine) -> None:
        self._provider = provider
        self._engine = engine
        event.listen(engine, "do_connect", self.do_connect)
        event.listen(engine, "checkout", self.on_checkout)
        event.listen(engine, "checkin", self.on_checkin)
        provider.register_pool(self)

    def do_connect(self, dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """Open a connection with the current credentials."""

        def open_(credentials: Credentials) -> Any:
            # A copy, because changing cparams in place would set this user in all later connects.
            return dialect.connect(*cargs, **{**cparams, **credentials.parameters()})

        return self._record_user(record, self._provider.connect(open_))

    def on_checkout(self, _connection: Any, record: Any, _proxy: Any) -> None:
        """Replace a pooled connection whose username is no longer current.

        A new connection passes its first checkout unchecked, so that a checkout replaces a
        connection at most once.
        """
        is_fresh = record.info.pop(_FRESH, False)
        if not is_fresh and not self._provider.is_current(record.info[_USER]):
            raise DisconnectionError("the database user was rotated")

    def on_checkin(self, connection: Any, record: Any) -> None:
        """Close a returned connection whose username is no longer current.

        The lease of that user can be revoked once its last connection is closed.
        """
        if connection is not None and not self._provider.is_current(record.info[_USER]):
            record.invalidate()

    def close_outdated(self) -> None:
        """Close idle connections of users that are not current.

        Does nothing if the caller chose another pool class.
        """
        pool = self._engine.pool
        if isinstance(pool, RotatingQueuePool):
            pool.close_outdated(self._provider.is_current)

    def reset_after_fork(self) -> None:
        """Replace the pool in a forked child without closing the parent's connections."""
        self._engine.dispose(close=False)

    @staticmethod
    def _record_user(record: Any, connection: Any) -> Any:
        record.info[_USER] = connection.info.user
        record.info[_FRESH] = True
        return connection


def leased_engine(provider: CredentialProvider, url: str, **options: Any) -> Engine:
    """Return a SQLAlchemy engine that connects with the current credentials of *provider*.

    Args:
        provider: Provides username and password at each physical connect.
        url: Driver, host and database. A username or password in it is ignored. PostgreSQL's driver
            is psycopg unless it names psycopg2.
        options: Passed to ``sqlalchemy.create_engine``.

    Raises:
        ConfigurationError: If *url* cannot be read. The message has nothing of it.

    """
    defaults = {"pool_pre_ping": True, "poolclass": RotatingQueuePool}
    engine = create_engine(url_without_credentials(url), **{**defaults, **options})
    EngineEvents(provider, engine)
    return engine


def url_without_credentials(url: str) -> URL:
    """Return *url* with driver, host, port, database and options only."""
    parsed = _read_url(url)
    if parsed is None:
        raise unreadable_url("the database")
    return URL.create(
        _name_driver(parsed.drivername),
        host=parsed.host,
        port=parsed.port,
        database=parsed.database,
        query=parsed.query,
    )


def _name_driver(name: str) -> str:
    """Return the dialect and driver *name* of a URL, with psycopg for PostgreSQL.

    Only psycopg2 stays, because its connections tell their user, too; those of asyncpg do not.
    ``postgres://`` is a URL for libpq, which SQLAlchemy does not know.
    """
    driver = name.partition("+")[2]
    if not is_postgresql(name) or driver == "psycopg2":
        return name
    return "postgresql+psycopg"


def _read_url(url: str) -> URL | None:
    """Return the parts of *url*; None if it cannot be read."""
    with suppress(ArgumentError, ValueError):  # the latter shows what it takes for the port
        # make_url matches on the characters, so a Secret works; do not render its result as text.
        parsed = make_url(url)
        return None if has_part_of_login(parsed.host) else parsed
    return None
