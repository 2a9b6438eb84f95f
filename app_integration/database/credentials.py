"""Whom connections log in as, and which of them are open under whom.

A user may be given back only when nobody is connected as it, or about to be: the server ends the
sessions of a user that it drops. So each connection is made through
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

import psycopg

from app_integration._internal import fork_safety
from app_integration.secret import Secret

log = logging.getLogger(__name__)
_Connection = TypeVar("_Connection")

#: psycopg gives a refused connection no SQLSTATE, so the words decide. A missing *database* also
#: "does not exist", and another user wouldn't help.
_GONE: Final = (
    "password authentication failed",
    'role "{user}" does not exist',
    'role "{user}" is not permitted to log in',
)
#: Users given back last that a thread may still be about to connect as.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """One user of the database."""

    username: str
    password: Secret

    def parameters(self) -> dict[str, str]:
        """What psycopg is to be given, the password in the clear."""
        return {"user": self.username, "password": self.password.reveal()}


def is_refused(error: Exception, login: Credentials) -> bool:
    """Whether the database refused *login* itself: another user or password may be let in."""
    return any(words.format(user=login.username) in str(error) for words in _GONE)


class Holder(Protocol):
    """An engine or pool whose connections are made through :class:`CredentialProvider`."""

    def close_outdated(self) -> None:
        """Close the idle connections of users other than the current; those in use, on return."""
        ...

    def reset_after_fork(self) -> None:
        """In a forked child: let go of the parent's connections without closing them."""
        ...


@dataclass(slots=True)
class _Use:
    """What is connected under one user."""

    connecting: int = 0
    connections: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)

    def __bool__(self) -> bool:
        return self.connecting > 0 or any(not each.closed for each in self.connections)


class CredentialProvider(ABC):
    """Whom connections log in as: always the current user. Thread-safe.

    Attributes:
        attempts: how many users a connection is tried with before a refusal is an error.

    """

    attempts: int = 2

    def __init__(self) -> None:
        self._holders: weakref.WeakSet[Holder] = weakref.WeakSet()
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Begin anew in a forked child: users and connections are the parent's."""
        for holder in list(self._holders):
            holder.reset_after_fork()
        self._lock = threading.RLock()
        self._uses: dict[str, _Use] = {}
        self._sealed: deque[str] = deque(maxlen=_REMEMBERED)

    @abstractmethod
    def current(self) -> Credentials:
        """The user to connect as. May ask the server, and raise as it does."""

    @abstractmethod
    def on_auth_failure(self, login: Credentials) -> None:
        """The database doesn't let *login* in: the next :meth:`current` is to be another."""

    @abstractmethod
    def is_current(self, username: str) -> bool:
        """Whether a pooled connection of *username* may be used on. Asks nobody."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held. The server then ends the connections that are open."""

    def register_pool(self, holder: Holder) -> None:
        """Have *holder* told of changes, for as long as it lives."""
        self._holders.add(holder)

    def connect(self, open_: Callable[[Credentials], _Connection]) -> _Connection:
        """The connection that *open_* makes for the current user.

        When the database refuses that user, again for the one after it: :attr:`attempts` in all.
        """
        for left in reversed(range(self.attempts)):
            while not self._claim(login := self.current()):
                pass
            with self._claimed(login, last=left == 0):
                return self._track(login, open_(login))
            self.on_auth_failure(login)
        raise AssertionError("the last refusal is raised")

    async def aconnect(self, open_: Callable[[Credentials], Awaitable[_Connection]]) -> _Connection:
        """As :meth:`connect`; the server is asked in a thread, so that the loop goes on."""
        for left in reversed(range(self.attempts)):
            while not self._claim(login := await asyncio.to_thread(self.current)):
                pass
            with self._claimed(login, last=left == 0):
                return self._track(login, await open_(login))
            await asyncio.to_thread(self.on_auth_failure, login)
        raise AssertionError("the last refusal is raised")

    def open_connections(self, username: str) -> int:
        """How many connections of *username* are open."""
        with self._lock:
            use = self._uses.get(username)
            return sum(not each.closed for each in use.connections) if use else 0

    def _retire(self) -> None:
        for holder in list(self._holders):
            holder.close_outdated()

    def _seal(self, username: str) -> bool:
        """Whether *username* is out of use; then nobody connects as it any more."""
        with self._lock:
            if self._uses.get(username):
                return False
            self._uses.pop(username, None)
            self._sealed.append(username)
            return True

    def _claim(self, login: Credentials) -> bool:
        """Count a connection that is about to be made; False when *login* was given back."""
        with self._lock:
            if login.username in self._sealed:
                return False
            self._uses.setdefault(login.username, _Use()).connecting += 1
            return True

    @contextmanager
    def _claimed(self, login: Credentials, *, last: bool) -> Iterator[None]:
        """The time between claim and connection; a refusal is swallowed unless it is the *last*."""
        try:
            yield
        except psycopg.OperationalError as error:
            if last or not is_refused(error, login):
                raise
            log.warning("the database refuses user %s; asking for another", login.username)
        finally:
            with self._lock:
                self._uses[login.username].connecting -= 1

    def _track(self, login: Credentials, connection: _Connection) -> _Connection:
        # Of SQLAlchemy's adapter for asyncio, the connection within.
        driver = getattr(connection, "driver_connection", connection)
        with self._lock:
            self._uses[login.username].connections.add(driver)
        return connection
