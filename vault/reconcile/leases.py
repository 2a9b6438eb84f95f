"""Early revocation of leases, with a wait until none is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from app_integration.errors import ServerFault
from app_integration.session.session import Session

#: Seconds without a revoked lease, after which the wait fails.
STALL_TIMEOUT: Final = 30.0
_POLL_SECONDS: Final = 0.2


def revoke_all(
    session: Session,
    prefix: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Revoke every lease below *prefix*, and return when none is left.

    The server responds before it has revoked them, because dropping a thousand database users takes
    longer than one request may.
    """
    requested: set[str] = set()
    remaining, last_progress = 0, clock()
    while found := set(session.list(f"sys/leases/lookup/{prefix}")):
        if not found <= requested:  # the first request, or new leases since the last one
            session.post(f"sys/leases/revoke-prefix/{prefix}", {"sync": False})
            requested, remaining, last_progress = found, len(found), clock()
        elif len(found) < remaining:
            remaining, last_progress = len(found), clock()
        elif clock() - last_progress >= STALL_TIMEOUT:
            raise ServerFault(
                f"{prefix}: {remaining} leases are not revoked; check that the database is "
                "reachable. The server retries by itself; sys/leases/lookup lists the leases"
            )
        sleep(_POLL_SECONDS)
