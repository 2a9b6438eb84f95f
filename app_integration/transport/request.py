"""One request, from its caller to the wire, and its response."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from app_integration.secret import Secret

#: Methods that change nothing.
READS: Final = frozenset({"GET", "HEAD", "LIST"})
#: The status of a response below this path is a report about the server, and no failure.
_HEALTH_PATH: Final = "sys/health"


class HiddenBody(dict[str, Any]):
    """A body whose ``repr`` is empty, because a traceback may show local variables."""

    def __repr__(self) -> str:
        return "{…}"


@dataclass(slots=True)
class Response:
    """A response that was read completely, with all its headers.

    *payload* is its JSON object, if the SDK requested it.
    """

    status: int
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Return whether the request succeeded."""
        return self.status < HTTPStatus.BAD_REQUEST


@dataclass(slots=True)
class Request:
    """One request, and its response; its ``repr`` shows neither headers nor bodies.

    *target* has the encoded query, but no ``/v1/``. *token* is None for that of the session, and
    *retry* for a request of the application, whose method and path decide. *sent* says that the
    server may have carried it out.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    token: Secret | None = None
    retry: bool | None = None
    response: Response | None = None
    sent: bool = False

    @classmethod
    def from_sdk(
        cls,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        wrap_ttl: int | None = None,
        retry: bool = True,
    ) -> Request:
        """Return a request of the SDK, whose response is a JSON object.

        *path* has no ``/v1/``; with *wrap_ttl*, in seconds, the request is never sent twice. The
        encoded body is in no local variable of a function that raises: a traceback may show those.
        """
        headers = {"X-Vault-Request": "true"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if wrap_ttl is not None:
            headers["X-Vault-Wrap-TTL"] = str(wrap_ttl)
        # The server rejects a write to a path with a slash at its end, and redirects double ones.
        target = "/".join(filter(None, path.split("/")))
        content = None if body is None else json.dumps(body).encode()
        return cls(method, target, headers, content, retry=retry and wrap_ttl is None)

    def __str__(self) -> str:
        # The query of the application may hold anything.
        return f"{self.method} {self.path if self.retry is None else self.target}"

    @property
    def path(self) -> str:
        """Return the API path without the query."""
        return self.target.partition("?")[0]

    @property
    def reports_status(self) -> bool:
        """Return whether the status describes the server, if the application asks for it."""
        return self.path == _HEALTH_PATH


class RequestSender(ABC):
    """Anything that sends a session's requests: a :class:`.Transport`, or a server in memory."""

    @abstractmethod
    def exchange(self, request: Request, *, timeout: float, token: str | None) -> Response:
        """Send *request* and return its response, which it keeps in case of an error, too.

        Args:
            request: The request. Its own token is not sent, only *token*.
            timeout: Seconds for the whole request, with its response and at most one redirect.
            token: The Vault token; None sends no token.

        Raises:
            ServerError: If there is no complete response, or it is an error other than a 403.
            AccessDenied: If the server returns 403.

        """

    @abstractmethod
    def close(self) -> None:
        """Close every open connection."""

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
        """Send one request of the SDK and return the decoded response; ``{}`` if it has no body.

        Args:
            method: GET, POST, LIST or DELETE.
            path: API path without the leading ``/v1/``.
            timeout: Seconds for the whole request, with its response and at most one redirect.
            token: The Vault token; None sends no token.
            body: Sent as JSON; None sends no body.
            wrap_ttl: Seconds; requests a response-wrapped answer that can be unwrapped for so long.

        Raises:
            ServerError: If there is no complete response, or its status is an error other than 403.
            AccessDenied: If the server returns 403.

        """
        hidden = None if body is None else HiddenBody(body)
        del body  # because a traceback may show local variables
        request = Request.from_sdk(method, path, hidden, wrap_ttl=wrap_ttl)
        return self.exchange(request, timeout=timeout, token=token).payload


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
