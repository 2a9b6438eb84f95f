"""Leases that end before what they were leased under: asked for once, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from app_integration.errors import ServerFault
from app_integration.session.session import Session

#: Seconds in which not one lease ends, after which nobody waits any longer.
PATIENCE: Final = 30.0
_POLL_SECONDS: Final = 0.2


def revoke_all(
    session: Session,
    prefix: str,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """End every lease below *prefix*, and come back when none is left.

    The server works on it after it has answered: ending a thousand database users takes longer
    than one request may.

    Args:
        session: may revoke and list leases.
        prefix: a path that ends in ``/``.
        patience: seconds in which at least one lease has to end.
        clock: seconds, monotonic.
        sleep: pauses for seconds.

    Raises:
        ServerFault: for *patience* none ended; the message says how many are left.

    """
    asked: set[str] = set()
    left, since = len(asked), clock()
    while found := set(session.list(f"sys/leases/lookup/{prefix}")):
        if not found <= asked:  # also those that were leased meanwhile
            session.post(f"sys/leases/revoke-prefix/{prefix}", {"sync": False})
            asked, left, since = found, len(found), clock()
        elif len(found) < left:
            left, since = len(found), clock()
        elif clock() - since >= patience:
            raise ServerFault(
                f"{prefix}: {left} leases don't end; is the database there? The server tries "
                "again by itself; sys/leases/lookup lists them"
            )
        sleep(_POLL_SECONDS)
