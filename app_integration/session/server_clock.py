"""Server clock, which decides when old values and files expire."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from app_integration.session.session import Session
from app_integration.transport.request import Request


def read_server_clock(
    session: Session, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], datetime]:
    """Return a clock that has the server's time, which is read once.

    A clock of this machine that is ahead would expire what is still used or kept. It is returned
    only if the server does not report its time.
    """
    response = session.requests.answer(Request("GET", "sys/seal-status"))
    try:
        reported = parsedate_to_datetime(response.headers.get("Date", "")).astimezone(UTC)
    except ValueError:
        return lambda: datetime.now(UTC)
    read = monotonic()
    return lambda: reported + timedelta(seconds=monotonic() - read)
