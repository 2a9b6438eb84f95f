"""Time of the server, by which old values and files end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from app_integration.session.session import Session
from app_integration.transport.raw_call import RawCall


def read_server_clock(
    session: Session, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], datetime]:
    """Return a clock that has the server's time, which is read once.

    A clock of this machine that is ahead would end what is still used or kept. It is returned only
    if the server does not tell its time.

    Args:
        session: A session with the server.
        monotonic: Returns monotonic seconds.

    Raises:
        ServerError: If the server is unavailable.

    """
    response = session.raw.send(RawCall("GET", "sys/seal-status"))
    try:
        told = parsedate_to_datetime(response.headers.get("Date", "")).astimezone(UTC)
    except ValueError:
        return lambda: datetime.now(UTC)
    read = monotonic()
    return lambda: told + timedelta(seconds=monotonic() - read)
