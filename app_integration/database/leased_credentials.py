"""Database users that the server makes for this process, and drops again.

A lease is renewed until a renewal is cut short: then it nears the end that nothing moves, and
another user follows while the old one still works. The old one is given back when its last
connection has returned, at the latest when its lease ends. A daemon thread does this; a checkout
never waits for the server, except for the first user and after an outage that outlasted a lease.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from app_integration import permissions
from app_integration._internal import unclosed
from app_integration._internal.background_worker import BackgroundWorker
from app_integration._internal.single_flight import SingleFlight
from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.lease import Lease, can_be_renewed, due_at, has_ended, retry_at
from app_integration.errors import OUTAGE, StrongroomError
from app_integration.observability import metrics, redaction
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.transport import answers

log = logging.getLogger(__name__)

#: Seconds at most between two looks at a lease: whether its token was replaced is seen then.
TICK: Final = 5.0
#: Seconds between looks at a user that is given back when its last connection has returned.
DRAIN_TICK: Final = 0.5


class LeasedCredentials(CredentialProvider):
    """The database user of one role, leased for this process. Thread-safe.

    Only the process that leased a user renews it or gives it back: a forked child leases its own.
    """

    # While all leases of a role are being revoked, one that was just issued is revoked too.
    attempts = 3

    def __init__(
        self,
        session: Session,
        role: str,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        background: bool = True,
    ) -> None:
        """Hold no lease yet.

        Args:
            session: asks the server; leases end with its token.
            role: as :meth:`Scope.database_role` names it.
            limits: its ``lease_rotate_at`` counts here.
            clock: in seconds, monotonic.
            chance: from 0 to 1; spreads the processes of a service over time.
            background: whether a thread calls :meth:`maintain`; False when the caller does.

        """
        self._lease: Lease | None = None
        self._draining: list[Lease] = []
        self._session = session
        self._role = role
        self._path = permissions.need("lease-database-user", role).path
        self._limits = limits or Limits()
        self._clock = clock
        self._chance = chance
        self._background = background
        super().__init__()
        unclosed.warn_at_exit(self)

    def reset_after_fork(self) -> None:
        """Start without leases: they are the parent's, which still uses them."""
        super().reset_after_fork()
        self._flights: SingleFlight[Lease] = SingleFlight()
        self._lease = None
        self._draining = []
        self._act_at = 0.0  # on the clock
        self._put_off = False  # the last attempt failed, and the next waits for its time
        self._worker = self._new_worker()

    def current(self) -> Lease:
        """The lease to connect with; another when there is none, or it has ended.

        Raises:
            AccessDenied: the role isn't granted, or is absent.
            ServerError: the server or the database is away and no lease is left.

        """
        lease = self._lease
        if lease is None or has_ended(lease, self._clock()):
            return self._flights.do("follow", partial(self._follow, lease))
        return lease

    def on_auth_failure(self, login: Credentials) -> None:
        """Forget the lease of *login*; give it back, or what is left of it."""
        with self._lock:
            lease = self._lease
            if lease is None or lease.username != login.username:
                return
            self._lease = None
            self._draining.append(lease)
        self._drain()

    def is_current(self, username: str) -> bool:
        """As :meth:`CredentialProvider.is_current`: the current user, while its lease lasts."""
        lease = self._lease
        return (
            lease is not None and lease.username == username and not has_ended(lease, self._clock())
        )

    def rotate(self) -> Lease:
        """Lease another user now. The old one is given back once its connections have returned.

        Raises:
            AccessDenied: as :meth:`current`.
            ServerError: nothing has changed; the server or the database is away.

        """
        return self._flights.do("follow", partial(self._follow, self._lease))

    def maintain(self) -> float:
        """Renew, follow or give back what is due; seconds until the next look."""
        lease, now = self._lease, self._clock()
        # First, as it has an end; what drains can wait.
        if lease is not None and (now >= self._act_at or self._is_orphaned(lease)):
            self._advance(lease)
        self._drain()
        # As long as anything drains, its connections are looked at.
        longest = DRAIN_TICK if self._draining else TICK
        return min(max(self._act_at - self._clock(), 0.01), longest) if self._lease else longest

    def close(self) -> None:
        """Give the leases back; the server drops their users and ends their sessions."""
        with self._lock:
            leases = [*self._draining, *([self._lease] if self._lease else [])]
            self._lease, self._draining = None, []
            self._worker.close()
            self._worker = self._new_worker()  # whoever leases again is looked after again
        for lease in leases:
            self._revoke(lease)

    def describe_unclosed(self) -> str | None:
        """As :class:`unclosed.Closeable` has it."""
        count = len(self._draining) + (self._lease is not None)
        return f"{count} leased database users of {self._role} are left open" if count else None

    def __del__(self) -> None:
        unclosed.warn_if_unclosed(self)

    def _is_orphaned(self, lease: Lease) -> bool:
        """Whether the token of *lease* was replaced, and nothing has been tried about it yet."""
        return lease.token != self._session.logins and not self._put_off

    def _advance(self, lease: Lease) -> None:
        """Renew *lease*, or have another follow; later, when the server is away."""
        try:
            if not (can_be_renewed(lease, self._session.logins) and self._renew(lease)):
                self.rotate()
        except StrongroomError as error:
            self._act_at, self._put_off = retry_at(lease, self._clock()), True
            log.warning("database user %s can't be followed yet: %s", lease.username, error)

    def _renew(self, lease: Lease) -> bool:
        """Whether *lease* was renewed for its whole term."""
        now = self._clock()
        body = {"lease_id": lease.lease_id, "increment": int(lease.term)}
        try:
            path = "sys/leases/renew"
            ttl = answers.lease_duration(self._session.post(path, body), path)
        except OUTAGE:
            raise
        except StrongroomError as error:  # the lease is gone, or the database is away
            log.info("database user %s wasn't renewed: %s", lease.username, error)
            return False
        renewed = replace(lease, issued_at=now, ttl=ttl)
        metrics.current().lease(self._role, renewed.ttl)
        with self._lock:
            if self._lease is lease:
                self._hold(renewed)
        return renewed.ttl >= renewed.term

    def _follow(self, lease: Lease | None) -> Lease:
        """The lease after *lease*; that which another thread got meanwhile, if one did."""
        current = self._lease
        if current is not None and (lease is None or current.username != lease.username):
            return current
        new = self._issue()
        with self._lock:
            if self._lease is not None:
                self._draining.append(self._lease)
                metrics.current().rotation("database", self._role)
            self._hold(new)
        if self._background:
            self._worker.start(0.0)
        self._retire()
        return new

    def _hold(self, lease: Lease) -> None:
        self._lease, self._put_off = lease, False
        self._act_at = due_at(lease, self._limits, self._chance())

    def _issue(self) -> Lease:
        issued_at, token = self._clock(), self._session.logins
        user = answers.leased_user(self._session.get(self._path), self._path)
        redaction.live.add(user.password)
        metrics.current().lease(self._role, user.lease_duration)
        return Lease(
            username=user.username,
            password=user.password,
            lease_id=user.lease_id,
            issued_at=issued_at,
            ttl=user.lease_duration,
            term=user.lease_duration,
            renewable=user.renewable,
            # The first request of a session logs it in.
            token=token or self._session.logins,
        )

    def _drain(self) -> None:
        """Give back each old user that nobody is connected as; forget one whose lease ended."""
        now = self._clock()
        for lease in list(self._draining):
            ended = has_ended(lease, now)
            if not ended and not self._seal(lease.username):
                continue
            with self._lock:
                if lease not in self._draining:
                    continue  # somebody else gives it back
                self._draining.remove(lease)
            if not ended:
                self._revoke(lease)

    def _revoke(self, lease: Lease) -> None:
        # Not waiting for the database: the server tries again by itself when that is away.
        body = {"lease_id": lease.lease_id, "sync": False}
        try:
            self._session.post("sys/leases/revoke", body)
        except StrongroomError as error:
            log.warning("database user %s ends by itself: %s", lease.username, error)

    def _new_worker(self) -> BackgroundWorker:
        return BackgroundWorker(self.maintain, "database-leases", retry=TICK, weak=True)
