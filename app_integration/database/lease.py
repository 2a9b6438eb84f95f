"""One leased database user, and what is due about it when: rules over a lease and a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app_integration.database.credentials import Credentials
from app_integration.settings import Limits

#: Seconds between attempts to renew or follow a lease while the server is away.
RETRY_PAUSE: Final = 30.0
SHORTEST_PAUSE: Final = 1.0  # seconds between such attempts, however near the end is
#: Processes that started together don't ask together: this share of the time is left to chance.
SPREAD: Final = 0.1


@dataclass(frozen=True, slots=True)
class Lease(Credentials):
    """One leased database user.

    Attributes:
        issued_at: seconds on the holder's clock; of the last renewal.
        ttl: seconds it lives from then; afterwards the server drops the user and its sessions.
        term: seconds that were granted first, and are asked for in a renewal.
        renewable: whether the server renews it at all.
        token: which of the session's logins it belongs to; it ends with that login's token.

    """

    lease_id: str
    issued_at: float
    ttl: float
    term: float
    renewable: bool
    token: int


def has_ended(lease: Lease, now: float) -> bool:
    """Whether *lease* is over. A leased credential is never used beyond its end."""
    return now >= lease.issued_at + lease.ttl


def can_be_renewed(lease: Lease, token: int) -> bool:
    """Whether a renewal of *lease* leads on; else another must follow.

    One that was cut short doesn't: the lease nears its maximum. Nor does one under a *token* that
    isn't the session's any more: the lease dies with that token, renewed or not.
    """
    return lease.renewable and lease.ttl >= lease.term and lease.token == token


def due_at(lease: Lease, limits: Limits, chance: float) -> float:
    """When to renew *lease* or have another follow; *chance* is from 0 to 1."""
    return lease.issued_at + lease.ttl * limits.lease_rotate_at * (1 - SPREAD * chance)


def retry_at(lease: Lease, now: float) -> float:
    """When to try again after an outage: soon enough for a few attempts before the end."""
    left = lease.issued_at + lease.ttl - now
    return now + (min(RETRY_PAUSE, max(left / 4, SHORTEST_PAUSE)) if left > 0 else RETRY_PAUSE)
