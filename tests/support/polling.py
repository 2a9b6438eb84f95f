"""Polling of a condition that a test waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

_T = TypeVar("_T")

_INTERVAL: Final = 0.05  # seconds between two checks


def wait_until(check: Callable[[], _T], what: str, seconds: float = 60.0) -> _T:
    """Call *check* until it returns a true value, and return that value."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (result := check()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        pause.wait(_INTERVAL)
    return result
