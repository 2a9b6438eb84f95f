"""One cluster under several addresses: whichever serves is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app_integration.errors import (
    RateLimited,
    RequestRefused,
    Sealed,
    ServerError,
    StrongroomError,
)
from app_integration.transport.http import Sender


class FailoverTransport:
    """Sends each request to the address that answered last, and to the next where that can't.

    Only what surely had no effect is sent to another address within one call: there was no
    connection, or the server was sealed or a standby. After anything else the next *call* begins
    at another address, and whether there is one is for the session's retries to decide.
    """

    def __init__(
        self, senders: Sequence[Sender], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: *senders*, one an address, in the order of preference; *clock* in seconds."""
        self._senders = senders
        self._clock = clock
        self._first = 0

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
        """As :meth:`app_integration.transport.http.Transport.send`.

        Raises:
            Sealed: every address is.

        """
        end = self._clock() + timeout
        failures: list[ServerError] = []
        for position in self._order():
            try:
                answer = self._senders[position].send(
                    method,
                    path,
                    timeout=end - self._clock(),
                    token=token,
                    body=body,
                    wrap_ttl=wrap_ttl,
                )
            except StrongroomError as error:
                self._first = self._after(position) if _is_ill(error) else position
                if not isinstance(error, ServerError) or not error.not_sent:
                    raise
                failures.append(error)
            else:
                self._first = position
                return answer
        # One that may come back soon is worth another attempt; sealed ones alone aren't.
        raise next((each for each in failures if not isinstance(each, Sealed)), failures[-1])

    def close(self) -> None:
        """Close what is open."""
        for sender in self._senders:
            sender.close()

    def _order(self) -> list[int]:
        first, count = self._first, len(self._senders)
        return [(first + step) % count for step in range(count)]

    def _after(self, position: int) -> int:
        return (position + 1) % len(self._senders)


def _is_ill(error: StrongroomError) -> bool:
    """Whether *error* is about the server that gave it, and not about the request."""
    if isinstance(error, RateLimited):
        return error.not_sent
    return isinstance(error, ServerError) and not isinstance(error, RequestRefused)
