"""Task that any thread starts in the event loop of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class LoopTask:
    """Task in the event loop that a pool is used in."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def set_loop(self) -> None:
        """Store the running event loop."""
        self._loop = asyncio.get_running_loop()

    def start(self, run: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Schedule a task in the stored event loop, from any thread.

        *run* is called in that loop. Does nothing if that loop no longer runs.
        """
        loop = self._loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(self._create, loop, run)

    def _create(
        self, loop: asyncio.AbstractEventLoop, run: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        # A strong reference, because the loop keeps only a weak one.
        self._task = loop.create_task(run())
