"""Database connections under leased users.

An engine asks for the current lease at each physical connect, so a rotation needs no restart: new
connections use the new user, and a pooled connection of the old one is replaced at its next
checkout, before the server ends it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError

from app_integration import forks, metrics, names, redaction
from app_integration.errors import OUTAGE, StrongroomError
from app_integration.secret import Secret
from app_integration.session import Session
from app_integration.settings import Limits
from app_integration.single_flight import SingleFlight

log = logging.getLogger(__name__)

#: psycopg gives a refused connection no SQLSTATE, so the words decide. A missing *database* also
#: "does not exist", and leasing more users wouldn't help.
_USER_GONE: Final = (
    "password authentication failed",
    'role "{user}" does not exist',
    'role "{user}" is not permitted to log in',
)

#: Seconds between attempts to rotate while the server is away and the lease still works. An
#: attempt takes a whole deadline, and somebody's query waits for it.
RETRY_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Lease:
    """One leased database user.

    Attributes:
        issued_at: seconds on the holder's clock.
        ttl: seconds it lives; then the server drops the user and ends its sessions.
    """

    lease_id: str
    username: str
    password: Secret
    issued_at: float
    ttl: float


def is_due(lease: Lease, now: float, limits: Limits) -> bool:
    """Whether *lease* should be followed by another; the old one still works for a while."""
    return now >= lease.issued_at + lease.ttl * limits.lease_rotate_at


def has_ended(lease: Lease, now: float) -> bool:
    """Whether *lease* is over. A leased credential is never used beyond its end."""
    return now >= lease.issued_at + lease.ttl


class LeasedUsers:
    """The database user of one role, leased for this process. Thread-safe."""

    def __init__(
        self,
        session: Session,
        role: str,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: *role* as :meth:`Scope.database_role` names it; *clock* in seconds, monotonic."""
        self._session = session
        self._role = role
        self._path = names.need("lease-database-user", role).path
        self._limits = limits or Limits()
        self._clock = clock
        self._on_fork: list[Callable[[], None]] = []
        self.forget()
        forks.forget_in_child(self)

    def on_fork(self, forget: Callable[[], None]) -> None:
        """Have *forget* called in each forked child, to let go of the parent's connections."""
        self._on_fork.append(forget)

    def forget(self) -> None:
        """Drop the lease without giving it back: it is the parent's, who still uses it."""
        for each in self._on_fork:
            each()
        self._flights: SingleFlight[Lease] = SingleFlight()
        self._lease: Lease | None = None
        self._try_again = float("-inf")  # on the clock: not before it, after an outage

    def current(self) -> Lease:
        """The lease to connect with, a new one when the last is due.

        Raises:
            AccessDenied: the role isn't granted, or is absent.
            ServerError: the server is away and no lease is left.
        """
        now, lease = self._clock(), self._lease
        if lease is None or has_ended(lease, now):
            return self._flights.do("first", partial(self._follow, lease))
        if not is_due(lease, now, self._limits) or now < self._try_again:
            return lease
        # One thread asks for the next lease, and the others go on with the one they have.
        self._try_again = now + RETRY_PAUSE
        return self._flights.do("next", partial(self._follow, lease))

    def drop(self, lease: Lease) -> None:
        """Forget *lease*, whose user the database refuses, and give it back."""
        if self._lease is lease:
            self._lease = None
            self._revoke(lease)

    def close(self) -> None:
        """Give the current lease back; the server drops its user and ends its sessions."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self._revoke(lease)

    def _revoke(self, lease: Lease) -> None:
        try:
            self._session.post("sys/leases/revoke", {"lease_id": lease.lease_id})
        except StrongroomError as error:
            log.warning("lease %s ends by itself: %s", lease.lease_id, error)

    def _follow(self, lease: Lease | None) -> Lease:
        """The next lease, or *lease* itself while the server is away and it still works."""
        current = self._lease
        if current is not None and current is not lease:
            return current
        try:
            self._lease = self._issue()
        except OUTAGE as error:
            if lease is None or has_ended(lease, self._clock()):
                raise
            log.warning("the database user isn't rotated yet: %s", error)
            return lease
        self._try_again = float("-inf")
        if lease is not None:
            metrics.current().rotation("database", self._role)
        return self._lease

    def _issue(self) -> Lease:
        issued_at = self._clock()
        answer = self._session.get(self._path)
        password = Secret(answer["data"]["password"])
        redaction.live.add(password)
        metrics.current().lease(self._role, float(answer["lease_duration"]))
        return Lease(
            lease_id=answer["lease_id"],
            username=answer["data"]["username"],
            password=password,
            issued_at=issued_at,
            ttl=float(answer["lease_duration"]),
        )


def leased_engine(users: LeasedUsers, url: str, **options: Any) -> Engine:
    """A SQLAlchemy engine that connects as the current user of *users*.

    Args:
        users: gives the lease at each physical connect.
        url: driver, host and database; a user or password in it is not used.
        options: passed to ``sqlalchemy.create_engine``.
    """
    # make_url matches on the characters, so a Secret works; render nothing of it.
    address = make_url(url).set(username=None, password=None)
    engine = create_engine(address, **{"pool_pre_ping": True, **options})

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        lease = users.current()
        try:
            return _connect(dialect, record, cargs, cparams, lease)
        except dialect.dbapi.OperationalError as error:
            if not any(words.format(user=lease.username) in str(error) for words in _USER_GONE):
                raise
            log.warning("database user %s is gone; leasing another", lease.username)
        users.drop(lease)
        return _connect(dialect, record, cargs, cparams, users.current())

    @event.listens_for(engine, "checkout")
    def replace_rotated(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["lease_id"] != users.current().lease_id:
            raise DisconnectionError("the database user was rotated")

    users.on_fork(partial(engine.dispose, close=False))
    return engine


def _connect(dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any], lease: Lease) -> Any:
    # A copy: changing cparams in place would fix this lease in every later connect.
    fresh = {**cparams, "user": lease.username, "password": lease.password.reveal()}
    connection = dialect.connect(*cargs, **fresh)
    record.info["lease_id"] = lease.lease_id
    return connection
