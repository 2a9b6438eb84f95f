"""Exponential backoff after consecutive failures."""

from __future__ import annotations

from typing import Final

# Shared by restarts of the agent, retries of a delivery and attempts to reach a server.
BACKOFF_MIN: Final = 1.0  # seconds after the first failure; doubles with each further one
BACKOFF_MAX: Final = 60.0  # seconds


def backoff(failures: int, jitter: float, longest: float = BACKOFF_MAX) -> float:
    """Return the seconds to wait before the next attempt, at most *longest*.

    *failures* counts consecutive failures from 1. *jitter*, a random number in [0, 1), spreads the
    wait between half and all of its ceiling.
    """
    doublings = min(failures - 1, 10)
    ceiling = min(longest, BACKOFF_MIN * 2.0**doublings)
    return max(BACKOFF_MIN, ceiling * (0.5 + jitter / 2))
