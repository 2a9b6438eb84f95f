"""Sender that passes each request of another sender through a function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app_integration.transport.request import Request, RequestSender, Response

#: Has a request sent by its first argument, and returns the response. The second one is the token,
#: None for a login.
Run = Callable[[Callable[[], Response], str | None], Response]


class WrappedSender(RequestSender):
    """Sender that has *run* send each request through *sender*."""

    def __init__(self, sender: RequestSender, run: Run) -> None:
        self._sender = sender
        self._run = run

    def exchange(self, request: Request, *, timeout: float, token: str | None) -> Response:
        """Send *request* and return its response. *timeout* bounds each attempt."""
        send = partial(self._sender.exchange, request, timeout=timeout, token=token)
        return self._run(send, token)

    def close(self) -> None:
        """Close the other sender."""
        self._sender.close()
