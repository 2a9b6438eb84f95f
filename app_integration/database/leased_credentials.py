"""Leased database credentials: users that the server creates for this process and drops again.

A lease is renewed until a renewal is cut short, because then it nears its maximum TTL; that of
another user replaces it, and the old one is revoked when its last connection has been closed. A
daemon thread does this, so a checkout waits for the server only for the first lease and after an
outage that outlasted a lease.
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
from app_integration._internal.tracing import span
from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.lease import Lease, can_be_renewed, has_expired, renew_at, retry_at
from app_integration.errors import OUTAGE, StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.observability import metrics, redaction
from app_integration.session.session import Session
from app_integration.session.token_manager import session_closed
from app_integration.settings import Limits
from app_integration.transport import payloads

log = logging.getLogger(__name__)

#: Maximum seconds between two checks of a lease; each also notices a replaced Vault token.
CHECK_INTERVAL: Final = 5.0
#: Seconds between checks whether the last connection of a replaced user has been closed.
DRAIN_INTERVAL: Final = 0.5


class LeasedCredentials(CredentialProvider):
    """Credentials of one database role, leased for this process. Thread-safe.

    Only the process that requested a lease renews or revokes it. A forked child requests its own.
    """

    # While all leases of a role are being revoked, one that was just issued may be revoked too, so
    # a third attempt is needed.
    attempts = 3

    def __init__(
        self,
        session: Session,
        role: str,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        background: bool = True,
        mounts: Mounts = DEFAULT_MOUNTS,
    ) -> None:
        """Create the provider without a lease; the first :meth:`current` requests one.

        Args:
            session: Sends the requests. Leases expire with its Vault token.
            role: The name of the database role, as :meth:`Scope.database_role` returns it.
            limits: Provides ``lease_rotate_at``.
            clock: Returns seconds, monotonic.
            jitter: Returns a random number from 0 to 1, which spreads the requests of a service's
                processes over time.
            background: Whether a thread calls :meth:`maintain`. If False, the caller does.
            mounts: The deployment's mounts.

        """
        self._lease: Lease | None = None
        self._draining: list[Lease] = []
        self._session = session
        self._role = role
        self._path = permissions.need("lease-database-user", role, mounts).path
        self._limits = limits or Limits()
        self._clock = clock
        self._jitter = jitter
        self._background = background
        super().__init__()
        unclosed.warned_at_exit.add(self)

    def reset_after_fork(self) -> None:
        """Drop all leases in a forked child, because the parent still uses them."""
        super().reset_after_fork()
        self._single_flight: SingleFlight[Lease] = SingleFlight()
        self._lease = None
        self._draining = []
        self._renew_at = 0.0  # on the clock
        self._has_failed = False  # whether the last attempt to renew or replace the lease failed
        self._worker = self._new_worker()

    def current(self) -> Lease:
        """Return the lease whose credentials the next connection uses.

        Requests a new lease if there is none or it has expired.

        Raises:
            AccessDenied: If the policy does not grant the role, or the role does not exist.
            ServerError: If the server or the database is unavailable and no lease is valid.

        """
        lease = self._lease
        if lease is None or has_expired(lease, self._clock()):
            return self._single_flight.do("lease", partial(self._replace, lease))
        return lease

    def on_auth_failure(self, credentials: Credentials) -> None:
        """Discard the lease of *credentials*, and revoke it once it has no connection.

        Does nothing if another lease has replaced it.
        """
        with self._lock:
            lease = self._lease
            if lease is None or lease.username != credentials.username:
                return
            self._lease = None
            self._draining.append(lease)
        self._revoke_drained()

    def is_current(self, username: str) -> bool:
        """Return whether *username* is the user of the current lease, which has not expired."""
        lease, now = self._lease, self._clock()
        return lease is not None and lease.username == username and not has_expired(lease, now)

    def rotate(self) -> Lease:
        """Replace the current lease now, and return the new one.

        The old lease is revoked once its last connection has been closed.

        Raises:
            AccessDenied: If the policy does not grant the role, or the role does not exist.
            ServerError: If the server or the database is unavailable. The old lease stays current.

        """
        return self._single_flight.do("lease", partial(self._replace, self._lease))

    def maintain(self) -> float:
        """Renew or replace the lease if it is time, and revoke replaced ones without connection.

        Returns:
            The seconds until the next call.

        """
        lease, now = self._lease, self._clock()
        # The current lease comes first, because it expires; replaced ones can wait.
        if lease is not None and (now >= self._renew_at or self._needs_replacement(lease)):
            self._renew_or_replace(lease)
        self._revoke_drained()
        # A closed connection notifies nothing, so replaced leases are checked at an interval.
        longest = DRAIN_INTERVAL if self._draining else CHECK_INTERVAL
        return min(max(self._renew_at - self._clock(), 0.01), longest) if self._lease else longest

    def close(self) -> None:
        """Revoke all leases. The server then drops their users and terminates their sessions.

        A later :meth:`current` requests a new lease.
        """
        with self._lock:
            leases = [*self._draining, *([self._lease] if self._lease else [])]
            self._lease, self._draining = None, []
            self._worker.close()
            self._worker = self._new_worker()  # so that a lease requested later is maintained
        for lease in leases:
            self._revoke(lease)

    def describe_unclosed(self) -> str | None:
        """Return a message with the number of open leases, or None if there is none."""
        count = len(self._draining) + (self._lease is not None)
        return f"{count} leased database users of {self._role} are not revoked" if count else None

    def __del__(self) -> None:
        unclosed.warn_if_unclosed(self)

    def _needs_replacement(self, lease: Lease) -> bool:
        """Return whether the Vault token of *lease* was replaced and no attempt has failed yet."""
        return lease.login_number != self._session.login_count and not self._has_failed

    def _renew_or_replace(self, lease: Lease) -> None:
        """Renew or replace *lease*; schedule the next attempt if that fails."""
        try:
            if not (can_be_renewed(lease, self._session.login_count) and self._renew(lease)):
                self.rotate()
        except StrongroomError as error:
            self._renew_at, self._has_failed = retry_at(lease, self._clock()), True
            log.warning(
                "could not renew or replace the lease of database user %s; trying again later: %s",
                lease.username,
                error,
            )

    def _renew(self, lease: Lease) -> bool:
        """Renew *lease*; return whether the server granted its whole initial TTL."""
        now = self._clock()
        body = {"lease_id": lease.lease_id, "increment": int(lease.initial_ttl)}
        try:
            path = "sys/leases/renew"
            with span("renew_lease", role=self._role, user=lease.username):
                ttl = payloads.parse_lease_duration(self._session.post(path, body), path)
        except OUTAGE:
            raise
        except StrongroomError as error:  # the lease was revoked, or the database is unavailable
            log.info("could not renew the lease of database user %s: %s", lease.username, error)
            return False
        renewed = replace(lease, issued_at=now, ttl=ttl)
        metrics.get_recorder().record_ttl(self._role, renewed.ttl)
        with self._lock:
            if self._lease is lease:
                self._set_lease(renewed)
        return renewed.ttl >= renewed.initial_ttl

    def _replace(self, lease: Lease | None) -> Lease:
        """Request a lease in place of *lease*, unless another thread has replaced it already."""
        current = self._lease
        if current is not None and (lease is None or current.username != lease.username):
            return current
        worker, new = self._worker, self._request_lease()
        with self._lock:
            if self._worker is not worker:  # another one since close(), which revokes the token
                raise session_closed()
            if self._lease is not None:
                self._draining.append(self._lease)
                metrics.get_recorder().record_rotation("database", self._role)
            self._set_lease(new)
        if self._background:
            self._worker.start(0.0)
        self._close_outdated()
        return new

    def _set_lease(self, lease: Lease) -> None:
        self._lease, self._has_failed = lease, False
        self._renew_at = renew_at(lease, self._limits, self._jitter())

    def _request_lease(self) -> Lease:
        issued_at, login_number = self._clock(), self._session.login_count
        with span("lease_user", role=self._role) as seen:
            user = payloads.parse_leased_user(self._session.get(self._path), self._path)
            seen["user"] = user.username
        redaction.live.add(user.password)
        metrics.get_recorder().record_ttl(self._role, user.lease_duration)
        return Lease(
            username=user.username,
            password=user.password,
            lease_id=user.lease_id,
            issued_at=issued_at,
            ttl=user.lease_duration,
            initial_ttl=user.lease_duration,
            renewable=user.renewable,
            # Zero before the session's first request, which logs it in.
            login_number=login_number or self._session.login_count,
        )

    def _revoke_drained(self) -> None:
        """Revoke each replaced lease whose user has no connection; drop those that have expired."""
        now = self._clock()
        for lease in list(self._draining):
            is_expired = has_expired(lease, now)
            if not is_expired and not self._block_if_unused(lease.username):
                continue
            with self._lock:
                if lease not in self._draining:
                    continue  # because another thread revokes it
                self._draining.remove(lease)
            if not is_expired:
                self._revoke(lease)

    def _revoke(self, lease: Lease) -> None:
        # With sync=False the request does not wait for the database: the server repeats the
        # revocation by itself while that is unavailable.
        body = {"lease_id": lease.lease_id, "sync": False}
        try:
            with span("revoke_lease", role=self._role, user=lease.username):
                self._session.post("sys/leases/revoke", body)
        except StrongroomError as error:
            log.warning(
                "could not revoke the lease of database user %s, which now expires by itself: %s",
                lease.username,
                error,
            )

    def _new_worker(self) -> BackgroundWorker:
        return BackgroundWorker(
            self.maintain, "database-leases", retry_interval=CHECK_INTERVAL, weak=True
        )
