"""Pace of a worker: how long it pauses after a batch, so that live queries stay fast.

Waits for locks do not show the load of a backfill, because it waits for none. So a worker times a
probe, a short transaction, beside its batches, and works for a smaller part of its time while
probes take longer than they did before it began.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from typing import Final

#: Part of the time that a worker works if nothing is known about the load: at a tenth, the 99th
#: percentile of live queries stayed below twice its value before.
DEFAULT_DUTY: Final = 0.1
MIN_DUTY: Final = 0.01
#: Seconds of lag that readers of a replica are assumed to bear.
DEFAULT_LAG: Final = 10.0
#: Probes that a decision looks back on.
_WINDOW: Final = 9
#: Times the probes before the backfill, above which a worker slows down.
_SLOWER: Final = 2.0
#: Seconds of a probe that no user notices. On a server at rest the probes before, one after the
#: other, find all caches warm, and take half of the time of those between batches.
_UNNOTICED: Final = 0.002
_DECREASE: Final = 0.7
_INCREASE: Final = 1.05


class Pace:
    """Pace of one worker, which works *duty* of its time, from 0 to 1. Not thread-safe."""

    def __init__(self, before: Sequence[float], duty: float = DEFAULT_DUTY) -> None:
        """Create a pace, measured by the median of *before*, the seconds of probes."""
        self._limit = max(_SLOWER * statistics.median(before), _UNNOTICED)
        self._started_with = self._most = duty
        self._seen: deque[float] = deque(maxlen=_WINDOW)
        self.duty = duty

    def observe(self, seconds: float) -> None:
        """Slow down or speed up by the duration of a probe that was just made.

        The median of the last probes decides, so that a single slow one changes nothing. A worker
        that may work all the time is never slowed down.
        """
        self._seen.append(seconds)
        if self._most < 1 and statistics.median(self._seen) > self._limit:
            self.duty = max(MIN_DUTY, self.duty * _DECREASE)
        else:
            self.duty = min(self._most, self.duty * _INCREASE)

    def limit_duty(self, duty: float | None) -> bool:
        """Change the largest part of its time that the worker works; None is that of its start.

        A larger limit applies at once, too. Slow probes take it back. Return whether it changed.
        """
        before, self._most = self._most, self._started_with if duty is None else duty
        self.duty = self._most if self._most > before else min(self.duty, self._most)
        return self._most != before

    def pause_after(self, seconds: float) -> float:
        """Return the seconds to pause after a batch that took *seconds*."""
        return seconds * (1 / self.duty - 1)
