"""Credentials for new connections, and the open connections of each database user.

A database user may be revoked only when no connection is open as that user or about to be: the
server terminates the sessions of a user that it drops. So each connection is opened through
:meth:`CredentialProvider.connect`, which counts it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from app_integration._internal import fork_safety
from app_integration.observability import metrics
from app_integration.secret import Secret

log = logging.getLogger(__name__)
_Connection = TypeVar("_Connection")

#: psycopg sets no SQLSTATE when a connection is rejected, so the message decides. A missing
#: *database* also "does not exist", and there another user would not help. The last is of Redis,
#: whose leased users are gone after a restart.
_AUTH_FAILURES: Final = (
    "password authentication failed",
    'role "{user}" does not exist',
    'role "{user}" is not permitted to log in',
    "invalid username-password pair",
)
#: Number of blocked users that are remembered, because a thread may be about to connect as one.
_MAX_BLOCKED: Final = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """Username and password of one database user."""

    username: str
    password: Secret

    def parameters(self) -> dict[str, str]:
        """Return the keyword arguments for ``psycopg.connect``, with the password in plain text."""
        return {"user": self.username, "password": self.password.reveal()}


def is_auth_failure(error: Exception, credentials: Credentials) -> bool:
    """Return whether *error* says that the database rejected this user or password.

    After such an error, other credentials may succeed.
    """
    message = " ".join(map(str, error.args))  # str() may be redacted, and so the username
    return any(text.format(user=credentials.username) in message for text in _AUTH_FAILURES)


class RegisteredPool(Protocol):
    """An engine or pool that opens its connections through :class:`CredentialProvider`."""

    def close_outdated(self) -> None:
        """Close the connections of users that are not current.

        Idle connections are closed now, those in use when they return to the pool.
        """
        ...

    def reset_after_fork(self) -> None:
        """Drop the parent's connections in a forked child without closing them."""
        ...


@dataclass(slots=True)
class _UserConnections:
    """Connections of one user: those being opened, and those that were opened."""

    connecting: int = 0
    connections: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)

    def is_in_use(self) -> bool:
        return self.connecting > 0 or any(not each.closed for each in self.connections)


class CredentialProvider(ABC):
    """Source of the current database credentials, shared by engines and pools. Thread-safe.

    Attributes:
        attempts: The number of credentials that :meth:`connect` tries before it raises an
            authentication failure.

    """

    attempts: int = 2

    def __init__(self) -> None:
        self._pools: weakref.WeakSet[RegisteredPool] = weakref.WeakSet()
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop all state in a forked child, because users and connections are the parent's."""
        for pool in list(self._pools):
            pool.reset_after_fork()
        self._lock = threading.RLock()
        self._users: dict[str, _UserConnections] = {}
        self._blocked: deque[str] = deque(maxlen=_MAX_BLOCKED)

    @abstractmethod
    def current(self) -> Credentials:
        """Return the credentials for the next connection.

        May send a request to the server, and raises the errors of that request.
        """

    @abstractmethod
    def on_auth_failure(self, credentials: Credentials) -> None:
        """Discard *credentials*, which the database rejected.

        The next :meth:`current` returns other ones.
        """

    @abstractmethod
    def is_current(self, username: str) -> bool:
        """Return whether a pooled connection of *username* may still be used.

        Sends no request.
        """

    @abstractmethod
    def close(self) -> None:
        """Revoke all leases. The server then terminates the open connections."""

    def register_pool(self, pool: RegisteredPool) -> None:
        """Notify *pool* of each change of credentials, for as long as it lives."""
        self._pools.add(pool)

    def connect(self, open_: Callable[[Credentials], _Connection]) -> _Connection:
        """Open a connection with the current credentials.

        When the database rejects them, try again with the next credentials, :attr:`attempts` times
        in all.

        Args:
            open_: Opens a connection with the credentials that it gets.

        Raises:
            Exception: That of the driver, such as psycopg.OperationalError, if the database rejects
                the last credentials, or *open_* fails for another reason.

        """
        with metrics.recorded_connection():
            return self._connect(open_)

    def _connect(self, open_: Callable[[Credentials], _Connection]) -> _Connection:
        for left in reversed(range(self.attempts)):
            while not self._begin_connecting(credentials := self.current()):
                pass
            with self._connecting(credentials, is_last=left == 0):
                return self._track(credentials, open_(credentials))
            self.on_auth_failure(credentials)
        raise AssertionError("the last authentication failure is raised")

    async def aconnect(self, open_: Callable[[Credentials], Awaitable[_Connection]]) -> _Connection:
        """Open a connection with the current credentials without blocking the event loop.

        Requests to the server run in a thread. See :meth:`connect`.

        Args:
            open_: Opens a connection with the credentials that it gets.

        Raises:
            Exception: That of the driver, such as psycopg.OperationalError, if the database rejects
                the last credentials, or *open_* fails for another reason.

        """
        with metrics.recorded_connection():
            return await self._aconnect(open_)

    async def _aconnect(
        self, open_: Callable[[Credentials], Awaitable[_Connection]]
    ) -> _Connection:
        for left in reversed(range(self.attempts)):
            while not self._begin_connecting(credentials := await asyncio.to_thread(self.current)):
                pass
            with self._connecting(credentials, is_last=left == 0):
                return self._track(credentials, await open_(credentials))
            await asyncio.to_thread(self.on_auth_failure, credentials)
        raise AssertionError("the last authentication failure is raised")

    def open_connections(self, username: str) -> int:
        """Return the number of open connections of *username*."""
        with self._lock:
            user = self._users.get(username)
            return sum(not each.closed for each in user.connections) if user else 0

    def _close_outdated(self) -> None:
        for pool in list(self._pools):
            pool.close_outdated()

    def _block_if_unused(self, username: str) -> bool:
        """Block new connections of *username* if it has none; return whether it is blocked."""
        with self._lock:
            user = self._users.get(username)
            if user is not None and user.is_in_use():
                return False
            self._users.pop(username, None)
            self._blocked.append(username)
            return True

    def _begin_connecting(self, credentials: Credentials) -> bool:
        """Count a connection that is about to be opened; return False if the user is blocked."""
        with self._lock:
            if credentials.username in self._blocked:
                return False
            self._users.setdefault(credentials.username, _UserConnections()).connecting += 1
            return True

    @contextmanager
    def _connecting(self, credentials: Credentials, *, is_last: bool) -> Iterator[None]:
        """Suppress an authentication failure unless this *is_last*; end the count in any case."""
        try:
            yield
        except Exception as error:  # each driver has its own, which the message identifies
            if is_last or not is_auth_failure(error, credentials):
                raise
            log.warning(
                "the server rejected user %s; trying again with new credentials",
                credentials.username,
            )
        finally:
            with self._lock:
                self._users[credentials.username].connecting -= 1

    def _track(self, credentials: Credentials, connection: _Connection) -> _Connection:
        # SQLAlchemy's asyncio adapter wraps the driver's connection, which knows if it is closed.
        driver = getattr(connection, "driver_connection", connection)
        with self._lock:
            self._users[credentials.username].connections.add(driver)
        return connection
