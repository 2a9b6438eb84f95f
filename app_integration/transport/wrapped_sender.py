"""Sender that passes each request of another sender through a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from app_integration.transport.http import RequestSender
from app_integration.transport.raw_call import RawCall, as_raw
from app_integration.transport.responses import Response

_T = TypeVar("_T")


class Run(Protocol):
    """A function that has a request sent."""

    def __call__(self, send: Callable[[], _T], token: str | None, /) -> _T:
        """Return the response of *send*. The token is None for a login."""
        ...


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
        return self._run(
            lambda: as_raw(self._sender).exchange(call, timeout=timeout, token=token), token
        )

    def close(self) -> None:
        """Close the other sender."""
        self._sender.close()
