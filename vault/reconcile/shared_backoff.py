"""Shared backoff under the server's rate limit: after one rejected request, all wait.

A plan sends eight requests at once, and thousands in all. Under a quota each request would
otherwise run into the limit by itself, and fail when its own deadline is over. The response says
how long to wait only if ``sys/quotas/config`` is set to do so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from app_integration.errors import RateLimited
from app_integration.transport.request import RequestSender, WrappedSender

log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Seconds that one request waits in all before its rejection is raised.
MAX_WAIT: Final = 900.0
#: Seconds of the first wait if the response has no time; each further rejection doubles it.
_INITIAL_BACKOFF: Final = 0.5
_MAX_BACKOFF: Final = 15.0
#: A wait of fewer seconds is not logged.
_LOG_THRESHOLD: Final = 2.0


class SharedBackoff:
    """A backoff that all connections to a server share. Thread-safe."""

    def __init__(
        self,
        max_wait: float = MAX_WAIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()
        self._waited = 0.0  # seconds of all waits, including what is left of the last

    def clock(self) -> float:
        """Return seconds, monotonic, that stand still during a wait.

        For the deadlines of a session: a request whose login waits would otherwise have none left.
        """
        with self._lock:
            now = self._clock()
            return now - self._waited + max(self._next - now, 0.0)

    def __call__(self, sender: RequestSender) -> WrappedSender:
        """Return a connection that sends through *sender* and shares this backoff."""
        return WrappedSender(sender, lambda send, _: self.send_with_backoff(send))

    def send_with_backoff(self, send: Callable[[], _T]) -> _T:
        """Return the response of *send*, retried after a wait if the server limits requests."""
        end = self._clock() + self._max_wait
        backoff = _INITIAL_BACKOFF
        while True:
            self._wait()
            try:
                return send()
            except RateLimited as error:
                wait = backoff if error.retry_after is None else error.retry_after
                if error.not_sent or self._clock() + wait > end:
                    raise
                self._back_off(wait)
                backoff = min(2 * backoff, _MAX_BACKOFF)

    def _wait(self) -> None:
        while (seconds := self._next - self._clock()) > 0:
            self._sleep(seconds)

    def _back_off(self, seconds: float) -> None:
        now = self._clock()
        with self._lock:
            is_waiting = self._next > now
            end = max(self._next, now + seconds)
            self._waited += end - max(self._next, now)
            self._next = end
        if not is_waiting and seconds >= _LOG_THRESHOLD:
            log.warning("the server limits requests; continuing in %d s", seconds)
