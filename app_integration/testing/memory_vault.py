"""A Vault server in memory, for the tests of an application.

It has the endpoints that the SDK uses: KV v2 with versions, Transit, AppRole, tokens, leases of
database users, response wrapping. It replaces only the HTTP transport: the session, with login,
renewal, retries and errors, is the real one. One contract suite compares its responses with those
of a real server.

It is not a server for real secrets: there is no storage, and authorisation is a function.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from app_integration.errors import DeadlineExceeded, Unreachable
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.testing.approle import AppRoles
from app_integration.testing.clock import Clock
from app_integration.testing.faults import Fault, Faults
from app_integration.testing.http import (
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_operation,
)
from app_integration.testing.kv import Kv
from app_integration.testing.leases import Leases
from app_integration.testing.raw_calls import JSON, answer_call
from app_integration.testing.tokens import DENIED, Token, TokenStore
from app_integration.testing.transit import Transit
from app_integration.testing.wrapping import Wrapping
from app_integration.transport.raw_call import RawCall
from app_integration.transport.responses import Response as HttpResponse
from app_integration.transport.responses import decode

ADDRESS: Final = "memory://vault"
#: Paths that need no token, besides the login's.
_UNAUTHENTICATED: Final = ("sys/health", "sys/wrapping/")
#: The server counts the strings of a request, keys as well as values.
_MAX_STRINGS: Final = 1000
_SALT_BYTES: Final = 32

#: Returns whether policies grant a capability on a path: (policies, capability, path).
Authorise = Callable[[tuple[str, ...], str, str], bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached the server, with the status of its response."""

    method: str
    path: str
    status: int
    request_id: str


class MemoryVault:
    """A Vault server in memory. Thread-safe.

    Attributes:
        clock: The time of the server, which stands still until :meth:`Clock.advance`.
        mounts: Where the engines and the AppRole method are.
        seen: The requests that reached it, in order, like an audit log.
        authorise: Decides on each request with a valid token; by default all are allowed.

    """

    def __init__(
        self,
        *,
        authorise: Authorise | None = None,
        random: Callable[[int], bytes] = os.urandom,
        mounts: Mounts = DEFAULT_MOUNTS,
    ) -> None:
        """Start with empty mounts.

        Args:
            authorise: Takes policies, a capability and a path; returns whether the request is
                allowed. None allows all.
            random: Returns the given number of unpredictable bytes.
            mounts: Where the engines and the AppRole method are.

        """
        self.clock = Clock()
        self.mounts = mounts
        self.seen: list[Seen] = []
        self.authorise = authorise or (lambda _policies, _capability, _path: True)
        self.leases = Leases(self.clock, mounts.database)
        self.tokens = TokenStore(self.clock, self.leases.revoke_token)
        self.approles = AppRoles(self.clock, self.tokens)
        self._kv = Kv(self.clock)
        self._transit = Transit(random)
        self._wrapping = Wrapping(self.clock)
        self._faults = Faults()
        self._salt = random(_SALT_BYTES)
        self._lock = threading.RLock()

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
        """Handle one request and return the decoded response. See :meth:`.http.Transport.send`.

        Args:
            method: GET, POST, LIST or DELETE.
            path: API path without the leading ``/v1/``.
            timeout: Seconds; :attr:`Fault.SLOW` advances the clock by them.
            token: The Vault token, or None.
            body: The JSON object, or None.
            wrap_ttl: Seconds; requests a response-wrapped answer.

        Raises:
            ServerError: If the response is an error other than 403, or a fault is injected.
            AccessDenied: If the response is a 403.

        """
        response = self._answer(method, path, token, body, wrap_ttl, timeout)
        return decode(method, path, response, self.mounts)

    def exchange(self, call: RawCall, *, timeout: float, token: str | None) -> HttpResponse:
        """Handle *call* and return its response. See :meth:`.raw_call.RawSender.exchange`.

        Raises:
            ServerError: If the response is an error other than 403, or a fault is injected.
            AccessDenied: If the response is a 403.
            NotImplementedError: If this server does not know the call.

        """
        return answer_call(
            call,
            lambda method, path, body, wrap_ttl: self._answer(
                method, path, token, body, wrap_ttl, timeout
            ),
            self.mounts,
        )

    def _answer(
        self,
        method: str,
        path: str,
        token: str | None,
        body: Mapping[str, Any] | None,
        wrap_ttl: int | None,
        timeout: float,
    ) -> HttpResponse:
        """Return the response, unless a fault keeps it away."""
        with self._lock:
            fault = self._faults.take(path)
            if fault is Fault.UNREACHABLE:
                raise Unreachable(f"{ADDRESS} cannot be reached (an injected fault)")
            if fault is Fault.SLOW:
                self.clock.advance(timeout)
                raise DeadlineExceeded(f"{method} {path}: {ADDRESS} sent no response in time")
            response, request_id = self._respond(method, path, token, body, wrap_ttl, fault)
        if fault is Fault.CUT:
            raise Unreachable(f"{ADDRESS} cut the connection (an injected fault)")
        content = _encode_body(response, request_id)
        return HttpResponse(response.status, content, headers=JSON)

    def close(self) -> None:
        """Do nothing, because no connection is open."""

    def _respond(
        self,
        method: str,
        path: str,
        token: str | None,
        body: Mapping[str, Any] | None,
        wrap_ttl: int | None,
        fault: Fault | None,
    ) -> tuple[ServerResponse, str]:
        # Encoded and parsed as on the network, so that a Secret arrives as its characters.
        parsed_token, parsed_body = json.loads(json.dumps([token, body]))
        request = Request.parse(method, path, parsed_token, parsed_body)
        try:
            response = _fault_response(fault) if fault and fault.value > 0 else self._route(request)
            if wrap_ttl is not None:
                response = self._wrapping.wrap(response, request.path, wrap_ttl)
        except ErrorResponse as error:
            response = error.response
        request_id = secrets.token_hex(16)
        self.seen.append(Seen(method, path, response.status, request_id))
        return response, request_id

    def _route(self, request: Request) -> ServerResponse:
        if _count_strings(request.body) > _MAX_STRINGS:
            reason = "exceeded maximum number of strings"
            raise ErrorResponse(400, f"refused JSON input due to high complexity: {reason}")
        if request.path.startswith((f"{self.mounts.auth}/login", *_UNAUTHENTICATED)):
            return self._route_open(request)
        token = self.tokens.find(request.token)
        if token is None or not self._allows(token, request):
            raise ErrorResponse(403, DENIED)
        return self._route_mounts(request, token)

    def _allows(self, token: Token, request: Request) -> bool:
        return self.authorise(token.policies, request.capability, request.path)

    def _route_open(self, request: Request) -> ServerResponse:
        if request.path == "sys/health":
            return ServerResponse(200, {"initialized": True, "sealed": False, "standby": False})
        if request.path.startswith("sys/wrapping/"):
            return self._wrapping.handle(request.below("sys/wrapping"))
        return self.approles.login(request)

    def _route_mounts(self, request: Request, token: Token) -> ServerResponse:
        mounts: dict[str, Callable[[Request], ServerResponse]] = {
            self.mounts.kv: self._kv.handle,
            self.mounts.transit: self._transit.handle,
            self.mounts.database: lambda below: self.leases.handle(below, token),
            "sys/leases": self.leases.handle_leases,
            "sys/audit-hash": self._audit_hash,
            "auth/token": lambda below: self.tokens.handle(below, token),
            self.mounts.auth: self.approles.handle,
        }
        for mount, handle in mounts.items():
            if request.path.startswith(f"{mount}/"):
                return handle(request.below(mount))
        raise ErrorResponse(404, f'no handler for route "{request.path}". route entry not found.')

    def _audit_hash(self, request: Request) -> ServerResponse:
        if request.method != "POST":
            raise unsupported_operation()
        text = str(request.body.get("input", ""))
        digest = hmac.digest(self._salt, text.encode(), "sha256").hex()
        return data_response({"hash": f"hmac-sha256:{digest}"})


def _fault_response(fault: Fault) -> ServerResponse:
    message = DENIED if fault is Fault.DENIED else "an injected fault"
    return ServerResponse(fault.value, {"errors": [message]})


def _count_strings(value: object) -> int:
    """Return the number of strings in *value*, keys and values."""
    if isinstance(value, Mapping):
        return len(value) + sum(map(_count_strings, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_count_strings, value))
    return int(isinstance(value, str))


def _encode_body(response: ServerResponse, request_id: str) -> bytes:
    """Encode the body as JSON, so that no object is shared with the caller."""
    if not response.body:
        return b""
    envelope = {"lease_id": "", "lease_duration": 0, "renewable": False}
    whole = response.body if "errors" in response.body else {**envelope, **response.body}
    return json.dumps({"request_id": request_id, **whole}).encode()
