"""A Vault server in memory, for the tests of an application.

It replaces only the HTTP transport: the session, with login, renewal, retries and errors, is the
real one. What it does not do, it rejects with a message that says so. It is not a server for real
secrets: there is no storage, and authorisation is a function.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from app_integration.errors import DeadlineExceeded, Unreachable
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.testing.clock import Clock
from app_integration.testing.faults import Fault, Faults
from app_integration.testing.http import (
    ErrorResponse,
    Request,
    ServerResponse,
    UnsupportedCall,
    unsupported_feature,
)
from app_integration.testing.router import Router
from app_integration.testing.system import Authorise
from app_integration.testing.tokens import DENIED
from app_integration.testing.wrapping import parse_ttl
from app_integration.transport.request import Request as HttpRequest
from app_integration.transport.request import RequestSender
from app_integration.transport.request import Response as HttpResponse
from app_integration.transport.responses import accept

ADDRESS: Final = "memory://vault"
#: Parts of each response that are null unless it has them.
_NULLS: Final = dict.fromkeys(("data", "wrap_info", "warnings", "auth"))
#: Paths whose bodies are no JSON, so that no engine would see the request.
_OF_BYTES: Final = "sys/storage/"
_WRAP_HEADER: Final = "x-vault-wrap-ttl"
#: The headers of a response with a body.
_JSON: Final = {"Content-Type": "application/json"}
#: Takes the method, the path with its query, the body, and the TTL of a wrapped response; returns
#: the response and its encoded body.
Answer = Callable[[str, str, object, str | None], tuple[ServerResponse, bytes]]


def answer_request(request: HttpRequest, answer: Answer) -> HttpResponse:
    """Return the response to *request*."""
    if request.path.startswith(_OF_BYTES):
        raise UnsupportedCall(request, unsupported_feature("snapshots").response)
    try:
        body = json.loads(request.body) if request.body else None
    except ValueError:
        errors = {"errors": ["failed to parse JSON input"]}
        return HttpResponse(400, json.dumps(errors).encode(), headers=_JSON)
    headers = {name.lower(): value for name, value in request.headers.items()}
    path, separator, query = request.target.partition("?")
    target = f"{unquote(path)}{separator}{query}"
    found, content = answer(request.method, target, body, headers.get(_WRAP_HEADER))
    if found.unsupported:
        raise UnsupportedCall(request, found)
    return HttpResponse(found.status, content, headers=_JSON)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached the server, with the status of its response."""

    method: str
    path: str
    status: int
    request_id: str


class MemoryVault(RequestSender):
    """A Vault server in memory. Thread-safe.

    Attributes:
        clock: The time of the server, which stands still until :meth:`Clock.advance`.
        mounts: Where the engines and the AppRole method are.
        seen: The requests that reached it, in order, like an audit log.

    """

    def __init__(
        self,
        *,
        authorise: Authorise | None = None,
        random: Callable[[int], bytes] = os.urandom,
        mounts: Mounts = DEFAULT_MOUNTS,
        audit_devices: Collection[str] = ("file",),
    ) -> None:
        """Start with empty mounts.

        Args:
            authorise: Takes policies, a capability and a path; returns whether the request is
                allowed. None allows all.
            random: Returns that many unpredictable bytes.
            mounts: Where the engines and the AppRole method are.
            audit_devices: Names of the audit devices, which hash with one salt.

        """
        self.clock = Clock()
        self.mounts = mounts
        self.seen: list[Seen] = []
        self._router = Router(self.clock, mounts, random, authorise, audit_devices)
        self.leases = self._router.leases
        self.tokens = self._router.tokens
        self.approles = self._router.approles
        self._faults = Faults()
        self._lock = threading.RLock()

    @property
    def authorise(self) -> Authorise:
        """Return what decides on each request with a valid token."""
        return self._router.system.authorise

    @authorise.setter
    def authorise(self, authorise: Authorise) -> None:
        self._router.system.authorise = authorise

    def fault(
        self, fault: Fault, path: str = "", *, times: int | None = None
    ) -> AbstractContextManager[None]:
        """Let requests whose path starts with *path* meet *fault* during the block.

        Args:
            fault: The kind of failure.
            path: Prefix of the API path, without ``/v1/``.
            times: Number of requests that fail; None for all.

        """
        return self._faults.inject(fault, path, times)

    def expire_tokens(self) -> None:
        """Expire every token, and revoke its leases."""
        with self._lock:
            for token in self.tokens.living():
                self.tokens.revoke(token)

    def count(self, path: str) -> int:
        """Return the number of successful requests to *path*."""
        return sum(seen.path == path and 200 <= seen.status < 300 for seen in self.seen)  # noqa: PLR2004 (the statuses of success)

    def exchange(self, request: HttpRequest, *, timeout: float, token: str | None) -> HttpResponse:
        """Handle one request and return its response. See :meth:`.RequestSender.exchange`."""

        def answer(
            method: str, path: str, body: object, wrap_ttl: str | None
        ) -> tuple[ServerResponse, bytes]:
            return self._exchange(method, path, timeout, token, body, wrap_ttl)

        request.response = None
        return accept(request, answer_request(request, answer), self.mounts)

    def answer(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        wrap_ttl: int | str | None = None,
    ) -> HttpResponse:
        """Handle one request and return the response as it would be sent over HTTP.

        Unlike :meth:`exchange` it raises no error for the status.

        Args:
            method: The HTTP method, or LIST.
            path: API path without the leading ``/v1/``.
            token: The Vault token, or None.
            body: The JSON value, or None.
            wrap_ttl: Seconds, or a duration such as ``1h``; requests a response-wrapped answer.

        Raises:
            Unreachable: If that fault is injected.
            DeadlineExceeded: If that fault is injected.

        """
        response, content = self._exchange(method, path, 0.0, token, body, wrap_ttl)
        return HttpResponse(response.status, content)

    def close(self) -> None:
        """Do nothing, because no connection is open."""

    def _exchange(
        self,
        method: str,
        path: str,
        timeout: float,
        token: str | None,
        body: object,
        wrap_ttl: int | str | None,
    ) -> tuple[ServerResponse, bytes]:
        with self._lock:
            fault = self._faults.take(path)
            if fault is Fault.UNREACHABLE:
                raise Unreachable(f"{ADDRESS} cannot be reached (an injected fault)")
            if fault is Fault.SLOW:
                self.clock.advance(timeout)
                raise DeadlineExceeded(
                    f"{method} {path}: {ADDRESS} sent no response in time; call again"
                )
            response = self._respond(method, path, token, body, wrap_ttl, fault)
            request_id = secrets.token_hex(16)
            self.seen.append(Seen(method, path, response.status, request_id))
        if fault is Fault.CUT:
            raise Unreachable(f"{ADDRESS} cut the connection (an injected fault)")
        # A HEAD has no body, whatever its response.
        return response, b"" if method == "HEAD" else _encode_body(response, request_id)

    def _respond(
        self,
        method: str,
        path: str,
        token: str | None,
        body: object,
        wrap_ttl: int | str | None,
        fault: Fault | None,
    ) -> ServerResponse:
        try:
            if fault and fault.value > 0:
                return _fault_response(fault)
            # As characters, so that a token that is a Secret can be compared.
            request = Request.parse(method, path, _characters(token), body)
            ttl = parse_ttl(wrap_ttl)
            response = self._router.route(request, ttl)
        except ErrorResponse as error:
            return error.response
        return self._router.wrapping.wrap(response, request.path, ttl) if ttl else response


def _characters(token: str | None) -> str | None:
    """Return the token as it arrives through a network: a Secret as its characters."""
    found: str | None = json.loads(json.dumps(token))
    return found


def _fault_response(fault: Fault) -> ServerResponse:
    message = DENIED if fault is Fault.DENIED else "an injected fault"
    return ServerResponse(fault.value, {"errors": [message]})


def _encode_body(response: ServerResponse, request_id: str) -> bytes:
    """Encode the body as JSON, so that no object is shared with the caller."""
    if not response.body:
        return b""
    if "errors" in response.body or response.is_plain:
        return json.dumps(response.body).encode()
    envelope = {"lease_id": "", "lease_duration": 0, "renewable": False}
    return json.dumps({"request_id": request_id, **envelope, **_NULLS, **response.body}).encode()
