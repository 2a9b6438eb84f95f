"""A server's rate limit, kept by everybody: when one request is refused for it, all wait.

A plan asks ten things at once, and thousands in all. Under a quota each request would find out for
itself, and give up once its own deadline is over. For how long to wait, an answer says only where
``sys/quotas/config`` has it do so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from app_integration.errors import RateLimited
from app_integration.transport.http import Sender

log = logging.getLogger(__name__)

#: Seconds that one request waits in all before its refusal is passed on.
PATIENCE: Final = 900.0
#: Seconds of the first wait when the server doesn't say; each refusal after a wait doubles it.
_FIRST: Final = 0.5
_LONGEST: Final = 15.0
#: Below this many seconds nobody is told.
_WORTH_TELLING: Final = 2.0


class Pace:
    """When the next request may be sent. Thread-safe; one for all connections to a server."""

    def __init__(
        self,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Args: *patience* and *clock*, monotonic, in seconds; *sleep* pauses for seconds."""
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()

    def __call__(self, sender: Sender) -> Paced:
        """*sender*, kept to this pace."""
        return Paced(sender, self)

    def keep(self, send: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer of *send*, tried again after a wait when the server limits requests.

        Raises:
            RateLimited: there is less patience than it takes, or a standby refused.

        """
        end = self._clock() + self._patience
        guess = _FIRST
        while True:
            self._wait()
            try:
                return send()
            except RateLimited as error:
                asked = guess if error.retry_after is None else error.retry_after
                if error.not_sent or self._clock() + asked > end:
                    raise
                self._put_off(asked)
                guess = min(2 * guess, _LONGEST)

    def _wait(self) -> None:
        while (pause := self._next - self._clock()) > 0:
            self._sleep(pause)

    def _put_off(self, seconds: float) -> None:
        now = self._clock()
        with self._lock:
            known = self._next > now
            self._next = max(self._next, now + seconds)
        if not known and seconds >= _WORTH_TELLING:
            log.warning("the server limits requests; going on in %d s", seconds)


class Paced:
    """A connection that keeps to a :class:`Pace`."""

    def __init__(self, sender: Sender, pace: Pace) -> None:
        self._sender = sender
        self._pace = pace

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        """As the connection does; *timeout* bounds each attempt, and no wait between two."""
        return self._pace.keep(
            lambda: self._sender.send(
                method, path, timeout=timeout, token=token, body=body, wrap_ttl=wrap_ttl
            )
        )

    def close(self) -> None:
        """Close what is open."""
        self._sender.close()
