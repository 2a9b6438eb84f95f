"""Polling of a condition that a test waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

_T = TypeVar("_T")

_INTERVAL: Final = 0.05  # seconds between two checks


def wait_until(check: Callable[[], _T], what: str, seconds: float = 60.0) -> _T:
    """Call *check* until it returns a true value, and return that value.

    Args:
        check: Returns a true value once the condition holds.
        what: What the test waits for.
        seconds: Maximum time to wait.

    Raises:
        AssertionError: If *check* returns no true value in time. The message names *what*.

    """
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (result := check()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        pause.wait(_INTERVAL)
    return result
