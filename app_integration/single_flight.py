"""Threads that ask for the same thing at the same time share one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from app_integration.errors import DeadlineExceeded

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """At most one call per name at a time; who comes meanwhile gets its result or its error.

    A caller waits as long as the call takes, so the call must be bounded by a deadline.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Hashable, Future[_T]] = {}

    def do(self, name: Hashable, call: Callable[[], _T]) -> _T:
        """The result of *call*, or of the one under way under *name*.

        A caller may arrive just after a call has ended, so *call* looks first whether its work
        is done.
        """
        mine: Future[_T] = Future()
        with self._lock:
            first = self._calls.setdefault(name, mine)
        if first is not mine:
            return first.result()
        try:
            result = call()
        except BaseException as error:
            self._finish(name)
            mine.set_exception(error if isinstance(error, Exception) else _interrupted())
            raise
        self._finish(name)
        mine.set_result(result)
        return result

    def _finish(self, name: Hashable) -> None:
        with self._lock:
            del self._calls[name]


def _interrupted() -> DeadlineExceeded:
    """What the others get: an interrupt or exit of one thread is not theirs."""
    return DeadlineExceeded("the thread that was asking the server was stopped; try again")
