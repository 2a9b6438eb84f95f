"""Bound on the agents that start at the same time, because each start keeps a processor busy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PARALLEL_STARTS: Final = 4
START_SECONDS: Final = 5.0  # after which a start no longer holds up others
#: The same while a start waits for the server, because that takes milliseconds unless it hangs.
LOGIN_SECONDS: Final = 1.0


class StartLimit:
    """Limit that all units of a supervisor share. Starts wait for a slot in their order."""

    def __init__(self, parallel: int = PARALLEL_STARTS, seconds: float = START_SECONDS) -> None:
        """Store the bounds.

        A slot is released after *seconds*, even if its start has not ended.
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
        self._seconds = seconds
        self._is_released = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self.release)

    @property
    def is_released(self) -> bool:
        """Return whether another unit may start in its place."""
        return self._is_released

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Hold the slot for at most *seconds* during the block, and for its usual time after it."""
        self._restart(min(seconds, self._seconds))
        try:
            yield
        finally:
            self._restart(self._seconds)

    def release(self) -> None:
        """Let another unit start. Further calls do nothing."""
        if not self._is_released:
            self._is_released = True
            self._timer.cancel()
            self._semaphore.release()

    def _restart(self, seconds: float) -> None:
        self._timer.cancel()
        if not self._is_released:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.release)
