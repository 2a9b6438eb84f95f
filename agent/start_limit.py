"""Bound on the agents that start at the same time, because each start keeps a processor busy."""

from __future__ import annotations

import asyncio
from typing import Final

PARALLEL_STARTS: Final = 4
START_SECONDS: Final = 5.0  # after which a start no longer holds up others


class StartLimit:
    """Limit that all units of a supervisor share. Starts wait for a slot in their order."""

    def __init__(self, parallel: int = PARALLEL_STARTS, seconds: float = START_SECONDS) -> None:
        """Store the bounds.

        Args:
            parallel: number of slots.
            seconds: seconds after which a slot is released, even if its start has not ended.

        """
        self._semaphore = asyncio.Semaphore(parallel)
        self._seconds = seconds

    async def acquire(self) -> StartSlot:
        """Wait for a slot and return it. The caller releases it."""
        await self._semaphore.acquire()
        return StartSlot(self._semaphore, self._seconds)


class StartSlot:
    """Slot of one start, which releases itself when its time is over."""

    def __init__(self, semaphore: asyncio.Semaphore, seconds: float) -> None:
        """Hold *semaphore*, which the caller has acquired, for at most *seconds*."""
        self._semaphore = semaphore
        self._timer = asyncio.get_running_loop().call_later(seconds, self.release)
        self._is_released = False

    def release(self) -> None:
        """Let another unit start. Further calls do nothing."""
        if not self._is_released:
            self._is_released = True
            self._timer.cancel()
            self._semaphore.release()
