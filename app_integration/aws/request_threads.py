"""Threads that make blocking calls which their callers may abandon.

The timeouts of botocore are per read, so a body that arrives byte by byte never times out. A call
has a deadline only if its caller can stop waiting for the thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from app_integration.errors import DeadlineExceeded

_T = TypeVar("_T")


class RequestThreads:
    """A bounded number of daemon threads that make one call each. Thread-safe."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start nothing yet."""
        self._free = threading.BoundedSemaphore(limit)
        self._clock = clock

    def run(self, call: Callable[[], _T], deadline: float, what: str) -> _T:
        """Return the result of *call*, made in a thread of its own.

        At the *deadline* the thread is abandoned, and counts until *call* returns.
        """
        if not self._free.acquire(timeout=self._left(deadline)):
            raise DeadlineExceeded(
                f"{what}: no thread was free in time; raise the limit aws_threads"
            )
        future: Future[_T] = Future()
        # No executor, because the interpreter would wait for its threads at exit.
        thread = threading.Thread(target=self._run, args=(call, future), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the limit of the system
            self._free.release()
            raise
        try:
            return future.result(self._left(deadline))
        except TimeoutError:
            raise DeadlineExceeded(f"{what}: no complete response in time") from None

    def _run(self, call: Callable[[], _T], future: Future[_T]) -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 (the caller's thread raises it)
            future.set_exception(error)
        finally:
            self._free.release()

    def _left(self, deadline: float) -> float:
        return max(deadline - self._clock(), 0.0)
