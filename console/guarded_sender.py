"""Connection to a local server that checks who listens on the port before it sends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from app_integration.errors import Unreachable
from app_integration.transport.http import RequestSender
from vault.runtime.listeners import UnexpectedListener

#: Seconds for which a check counts, because a plan sends hundreds of requests. A login is checked
#: in any case.
CHECK_SECONDS: Final = 1.0


class GuardedSender:
    """A connection that sends nothing to another process than the deployment's server.

    *check* raises UnexpectedListener. *clock* returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        sender: RequestSender,
        check: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._check = check
        self._clock = clock
        self._checked_until = clock()

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
        """Send the request and return the response.

        Args:
            method: of the request.
            path: API path.
            timeout: seconds.
            token: Vault token, or None for a login.
            body: sent as JSON.
            wrap_ttl: seconds of a wrapped response.

        Raises:
            Unreachable: If another process listens on the port, or none. Nothing was sent.

        """
        if token is None or self._clock() >= self._checked_until:
            self._check_listener()
        return self._sender.send(
            method, path, timeout=timeout, token=token, body=body, wrap_ttl=wrap_ttl
        )

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def _check_listener(self) -> None:
        try:
            self._check()
        except UnexpectedListener as error:
            # The session retries until its deadline, because the server may be restarting.
            raise Unreachable(str(error), not_sent=True) from None
        self._checked_until = self._clock() + CHECK_SECONDS
