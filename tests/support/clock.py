"""Clock of a test, which moves only when the test sets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """A clock that a test sets, in seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the seconds on this clock."""
        return self.now
