"""Calls in daemon threads, which do not delay the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


async def call_in_thread(function: Callable[[], Result]) -> Result:
    """Call *function* in a daemon thread of its own, and return its result.

    The threads of ``asyncio.to_thread`` are few, and the process waits for them when it exits.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            settle: Callable[[], None] = partial(future.set_result, function())
        except Exception as error:  # noqa: BLE001 (raised in the caller)
            settle = partial(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has closed
            loop.call_soon_threadsafe(lambda: None if future.done() else settle())

    threading.Thread(target=run, daemon=True).start()
    return await future
