"""Check of who listens on a local server's port, before each login and once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from app_integration.errors import Unreachable
from app_integration.transport.request import RequestSender, Response, WrappedSender
from local.listeners import UnexpectedListener

#: Seconds for which a check counts, because a plan sends hundreds of requests. A login is checked
#: in any case.
CHECK_SECONDS: Final = 1.0


class ListenerGuard:
    """Guard that lets a request through only to the deployment's own server.

    *check* raises UnexpectedListener. *clock* returns seconds of a monotonic clock.
    """

    def __init__(
        self, check: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._check = check
        self._clock = clock
        self._checked_until = clock()
        self._lock = threading.Lock()

    def __call__(self, sender: RequestSender) -> WrappedSender:
        """Return a connection that sends through *sender* and raises Unreachable otherwise."""
        return WrappedSender(sender, self._send)

    def _send(self, send: Callable[[], Response], token: str | None) -> Response:
        if token is None:
            self._check_listener()
        else:
            # One check is enough for the eight requests that a plan sends at once.
            with self._lock:
                if self._clock() >= self._checked_until:
                    self._check_listener()
        return send()

    def _check_listener(self) -> None:
        try:
            self._check()
        except UnexpectedListener as error:
            # The session retries until its deadline, because the server may be restarting.
            raise Unreachable(str(error), not_sent=True) from None
        self._checked_until = self._clock() + CHECK_SECONDS
