"""Deadline of a block that may block in calls without a timeout, by the process's alarm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app_integration.errors import DeadlineExceeded


@contextmanager
def deadline(seconds: float, message: str) -> Iterator[None]:
    """Raise an error in the block once *seconds* are over. For the main thread only.

    Args:
        seconds: Until then.
        message: The message of the error.

    Raises:
        DeadlineExceeded: If the block takes longer.

    """

    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlineExceeded(message)

    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
