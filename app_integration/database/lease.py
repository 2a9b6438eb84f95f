"""Lease of one database user, and the times at which to renew or replace it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app_integration.database.credentials import Credentials
from app_integration.settings import Limits

#: Seconds between attempts to renew or replace a lease while the server is unavailable.
RETRY_INTERVAL: Final = 30.0
MIN_RETRY_INTERVAL: Final = 1.0  # seconds between such attempts, however soon the lease expires
#: Share of the time until renewal that is random, so that processes which started together do not
#: send their requests together.
JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Lease(Credentials):
    """Leased credentials of one database user.

    Attributes:
        lease_id: The id with which the lease is renewed and revoked.
        issued_at: The time of issue or of the last renewal, in seconds on the caller's clock.
        ttl: Seconds from then until the server drops the user and its sessions.
        initial_ttl: Seconds that the server granted first, and that each renewal requests.
        renewable: Whether the server renews the lease at all.
        login_number: The session's login whose Vault token owns the lease, which expires with it.

    """

    lease_id: str
    issued_at: float
    ttl: float
    initial_ttl: float
    renewable: bool
    login_number: int


def has_expired(lease: Lease, now: float) -> bool:
    """Return whether *lease* has expired. A leased credential is never used after that."""
    return now >= lease.issued_at + lease.ttl


def can_be_renewed(lease: Lease, login_number: int) -> bool:
    """Return whether *lease* can still be extended; otherwise another must replace it.

    A lease whose last renewal was cut short nears its maximum TTL, and one of an earlier login
    expires with the Vault token of that login.
    """
    return lease.renewable and lease.ttl >= lease.initial_ttl and lease.login_number == login_number


def renew_at(lease: Lease, limits: Limits, jitter: float) -> float:
    """Return the time at which to renew or replace *lease*, on the clock of its ``issued_at``.

    *jitter* is a random number from 0 to 1; a higher one is earlier by up to :data:`JITTER`.
    """
    return lease.issued_at + lease.ttl * limits.lease_rotate_at * (1 - JITTER * jitter)


def retry_at(lease: Lease, now: float) -> float:
    """Return the time of the next attempt after an outage.

    It is soon enough for a few attempts before *lease* expires.
    """
    left = lease.issued_at + lease.ttl - now
    interval = min(RETRY_INTERVAL, max(left / 4, MIN_RETRY_INTERVAL))
    return now + (interval if left > 0 else RETRY_INTERVAL)
