"""How long to wait after failures in a row."""

from __future__ import annotations

from typing import Final

FIRST_PAUSE: Final = 1.0  # seconds after the first failure; doubles with each
LONGEST_PAUSE: Final = 60.0  # seconds


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after the *failures*-th failure in a row; *chance* in [0, 1) spreads it."""
    doublings = min(failures - 1, 10)
    ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**doublings)
    return max(FIRST_PAUSE, ceiling * (0.5 + chance / 2))
