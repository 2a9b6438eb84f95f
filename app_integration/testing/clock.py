"""Time that stands still until somebody moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Seconds, monotonic: called, it tells the time; :meth:`advance` and :meth:`sleep` move it.

    Nothing that runs on it waits: a retry's pause passes at once.
    """

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Seconds on this clock."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass.

        Raises:
            ValueError: *seconds* is negative: this clock is monotonic.

        """
        if seconds < 0:
            raise ValueError(f"a monotonic clock doesn't go back ({seconds} s)")
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass, as :func:`time.sleep` would."""
        self.advance(seconds)

    def timestamp(self) -> str:
        """The time as the server prints it: RFC 3339, UTC."""
        moment = _EPOCH + timedelta(seconds=self._now)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
