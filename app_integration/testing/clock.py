"""A clock for tests that only moves when the test advances it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A monotonic clock in seconds, which moves only by :meth:`advance` and :meth:`sleep`.

    Code that uses it never waits: the backoff of a retry is over at once.
    """

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return the seconds on this clock."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance the clock by *seconds*.

        Raises:
            ValueError: If *seconds* is negative, because this clock is monotonic.

        """
        if seconds < 0:
            raise ValueError(f"a monotonic clock cannot go back ({seconds} s)")
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float) -> None:
        """Advance the clock by *seconds*; replaces :func:`time.sleep`."""
        self.advance(seconds)

    def timestamp(self, at: float | None = None) -> str:
        """Return a time in the server's format: RFC 3339, UTC.

        Args:
            at: A time on this clock; None for now.

        """
        moment = _EPOCH + timedelta(seconds=self._now if at is None else at)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def unix(self, at: float | None = None) -> int:
        """Return a time as seconds since 1970.

        Args:
            at: A time on this clock; None for now.

        """
        return int(_EPOCH.timestamp() + (self._now if at is None else at))
