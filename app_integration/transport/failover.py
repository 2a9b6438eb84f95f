"""Failover between several addresses of one cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from app_integration.errors import (
    RateLimited,
    RequestRefused,
    Sealed,
    ServerError,
    StrongroomError,
)
from app_integration.transport.request import Request, RequestSender, Response


class FailoverTransport(RequestSender):
    """A sender that starts at the address that answered last and fails over to the others.

    Within one call, a request goes to another address only if it certainly had no effect: no
    connection was established, or the server was sealed or a standby. After any other failure the
    next *call* starts at another address; the session's :class:`.retry.Retry` decides whether there
    is one.
    """

    def __init__(
        self, senders: Sequence[RequestSender], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Send through *senders*, one for each address, in order of preference."""
        self._senders = senders
        self._clock = clock
        self._first = 0

    def exchange(self, request: Request, *, timeout: float, token: str | None) -> Response:
        """Send *request* and return its response. See :meth:`.RequestSender.exchange`."""
        end = self._clock() + timeout
        failures: list[ServerError] = []
        for position in self._attempt_order():
            try:
                response = self._senders[position].exchange(
                    request, timeout=end - self._clock(), token=token
                )
            except StrongroomError as error:
                self._first = (
                    self._position_after(position) if _is_server_failure(error) else position
                )
                if not isinstance(error, ServerError) or not error.not_sent:
                    raise
                failures.append(error)
            else:
                self._first = position
                return response
        # Prefer an error that the session retries: an unreachable or standby server may recover
        # soon, whereas a sealed one stays sealed until an operator unseals it.
        raise next((each for each in failures if not isinstance(each, Sealed)), failures[-1])

    def close(self) -> None:
        """Close the connections to every address."""
        for sender in self._senders:
            sender.close()

    def _attempt_order(self) -> list[int]:
        first, count = self._first, len(self._senders)
        return [(first + step) % count for step in range(count)]

    def _position_after(self, position: int) -> int:
        return (position + 1) % len(self._senders)


def _is_server_failure(error: StrongroomError) -> bool:
    """Return whether *error* is caused by the server at this address, not by the request."""
    if isinstance(error, RateLimited):
        return error.not_sent
    return isinstance(error, ServerError) and not isinstance(error, RequestRefused)
