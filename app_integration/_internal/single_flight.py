"""Sharing of one call among threads that need the same result at the same time."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

from app_integration.errors import DeadlineExceeded

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """A group of calls, at most one per key at a time. Concurrent callers share its result.

    They share its exception, too, and wait as long as the call takes, so a deadline must bound it.
    A call that needs its own result would wait for ever, as a signal handler, a log handler or a
    finalizer in its thread may; it gets DeadlineExceeded.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # because a signal handler may run within the lock
        self._calls: dict[Hashable, Future[_T]] = {}
        self._threads: dict[Hashable, int] = {}  # those that run the calls

    def do(self, key: Hashable, call: Callable[[], _T]) -> _T:
        """Return the result of *call*, or of the call under way for *key*.

        A caller may arrive just after another call has finished. *call* must therefore first check
        whether its work is already done.
        """
        return self.join(key, call, operator.call).result()

    def join(
        self, key: Hashable, call: Callable[[], _T], spawn: Callable[[Callable[[], None]], object]
    ) -> Future[_T]:
        """Return the future of the call under way for *key*, or of *call* if there is none.

        The future cannot be cancelled, because others may wait for it. *spawn* starts the function
        that it gets, in this or another thread.
        """
        own: Future[_T] = Future()
        own.set_running_or_notify_cancel()
        with self._lock:
            first = self._calls.setdefault(key, own)
            if first is not own and self._threads.get(key) == threading.get_ident():
                raise _needs_itself()
        if first is own:
            try:
                spawn(partial(self._run, key, call, own))
            except BaseException as error:  # of spawn(), or an interrupt; call()'s is in the future
                self._finish(key, own)
                was_done = own.done()
                if not was_done:  # otherwise other threads would wait for ever
                    own.set_exception(_interrupted())
                if was_done or not isinstance(error, Exception):
                    raise
        return first

    def _run(self, key: Hashable, call: Callable[[], _T], own: Future[_T]) -> None:
        self._threads[key] = threading.get_ident()
        try:
            result = call()
        except BaseException as error:
            self._finish(key, own)
            own.set_exception(error if isinstance(error, Exception) else _interrupted())
            if not isinstance(error, Exception):
                raise
            return
        self._finish(key, own)
        own.set_result(result)

    def _finish(self, key: Hashable, own: Future[_T]) -> None:
        """Finish the call of *own*, unless an interrupt has done so before."""
        with self._lock:
            if self._calls.get(key) is own:
                del self._calls[key]
                self._threads.pop(key, None)  # there is none if spawn() failed


def _interrupted() -> DeadlineExceeded:
    """Return the error of the waiting threads if the calling thread was interrupted or exited.

    The interrupt itself is raised in the calling thread only.
    """
    return DeadlineExceeded("the thread that sent the request was interrupted; try again")


def _needs_itself() -> DeadlineExceeded:
    """Return the error of a call that would wait for the call that made it."""
    return DeadlineExceeded(
        "this thread already waits for the same response, so a signal handler, log handler or "
        "finalizer that runs in it cannot; read the value before, or in another thread"
    )
