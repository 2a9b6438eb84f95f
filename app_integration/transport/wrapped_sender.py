"""Sender that passes each request of another sender through a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from app_integration.transport.http import RequestSender
from app_integration.transport.raw_call import RawCall, as_raw
from app_integration.transport.responses import Response

#: Takes a function that sends the request, and the request's token or None for a login; returns
#: the response.
Run: TypeAlias = Callable[[Callable[[], dict[str, Any]], str | None], dict[str, Any]]


class WrappedSender:
    """Sender that has *run* send each request through *sender*."""

    def __init__(self, sender: RequestSender, run: Run) -> None:
        self._sender = sender
        self._run = run

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
        """Send one request and return the decoded response. *timeout* bounds each attempt."""
        return self._run(
            lambda: self._sender.send(
                method, path, timeout=timeout, token=token, body=body, wrap_ttl=wrap_ttl
            ),
            token,
        )

    def exchange(self, call: RawCall, *, timeout: float, token: str | None) -> Response:
        """Send *call* and return its response. *timeout* bounds each attempt."""
        found: list[Response] = []

        def send() -> dict[str, Any]:
            found.append(as_raw(self._sender).exchange(call, timeout=timeout, token=token))
            return {}

        self._run(send, token)
        return found[-1]

    def close(self) -> None:
        """Close the other sender."""
        self._sender.close()
