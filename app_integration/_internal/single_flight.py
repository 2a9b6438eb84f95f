"""Threads that ask for the same thing at the same time share one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
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
        return self.join(name, call, lambda fly: fly()).result()

    def join(
        self, name: Hashable, call: Callable[[], _T], spawn: Callable[[Callable[[], None]], object]
    ) -> Future[_T]:
        """The future of the call under way under *name*, or of *call*, which *spawn* then starts.

        It can't be cancelled: others may wait for it.
        """
        mine: Future[_T] = Future()
        mine.set_running_or_notify_cancel()
        with self._lock:
            first = self._calls.setdefault(name, mine)
        if first is mine:
            try:
                spawn(partial(self._fly, name, call, mine))
            except Exception:  # noqa: BLE001 (what the call raises is in the future: no thread was had)
                self._finish(name)
                mine.set_exception(_interrupted())
        return first

    def _fly(self, name: Hashable, call: Callable[[], _T], mine: Future[_T]) -> None:
        try:
            result = call()
        except BaseException as error:
            self._finish(name)
            mine.set_exception(error if isinstance(error, Exception) else _interrupted())
            if not isinstance(error, Exception):
                raise
            return
        self._finish(name)
        mine.set_result(result)

    def _finish(self, name: Hashable) -> None:
        with self._lock:
            del self._calls[name]


def _interrupted() -> DeadlineExceeded:
    """What the others get: an interrupt or exit of one thread is not theirs."""
    return DeadlineExceeded("the thread that was asking the server was stopped; try again")
