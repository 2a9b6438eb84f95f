"""A Vault server in memory, for the tests of an application.

It answers what the SDK asks: KV v2 with versions, Transit, AppRole, tokens, leases of database
users, response wrapping. It sits where HTTP would: the session, with login, renewal, retries and
errors, is the real one. What it answers is checked against a real server by one contract suite.

It isn't a server to keep anything in: there is no storage, and authorisation is a function.
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

from app_integration import names
from app_integration.errors import DeadlineExceeded, Unreachable
from app_integration.testing.approle import AppRoles
from app_integration.testing.clock import Clock
from app_integration.testing.faults import Fault, Faults
from app_integration.testing.http import Refused, Request, ServerResponse, data, unsupported
from app_integration.testing.kv import Kv
from app_integration.testing.leases import Leases
from app_integration.testing.tokens import DENIED, Token, TokenStore
from app_integration.testing.transit import Transit
from app_integration.testing.wrapping import Wrapping
from app_integration.transport.responses import Response as Reply
from app_integration.transport.responses import decode

ADDRESS: Final = "memory://vault"
#: Paths that are answered without a token.
_OPEN: Final = (f"auth/{names.APPROLE_MOUNT}/login", "sys/health", "sys/wrapping/")
#: The server counts the strings of a request, keys as well as values.
_MAX_STRINGS: Final = 1000
_SALT_BYTES: Final = 32

#: Decides whether *policies* grant *capability* on *path*: (policies, capability, path).
Authorise = Callable[[tuple[str, ...], str, str], bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that reached the server, and how it was answered (0: not at all)."""

    method: str
    path: str
    status: int
    request_id: str


class MemoryVault:
    """The server. Thread-safe.

    Attributes:
        clock: its time, which stands still until :meth:`Clock.advance`.
        seen: the requests that reached it, in order: what an audit log would hold.
        authorise: decides on each request of a living token; all are allowed by default.

    """

    def __init__(
        self,
        *,
        authorise: Authorise | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Args: *random* gives that many unpredictable bytes."""
        self.clock = Clock()
        self.seen: list[Seen] = []
        self.authorise = authorise or (lambda _policies, _capability, _path: True)
        self.leases = Leases(self.clock)
        self.tokens = TokenStore(self.clock, self.leases.end)
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
        """Within the block, requests whose path begins with *path* meet *fault*.

        Args:
            fault: what goes wrong.
            path: prefix of the API path, without ``/v1/``.
            times: how many requests; None for all.

        """
        return self._faults.planned(fault, path, times)

    def expire_tokens(self) -> None:
        """End every token, with its leases, as if its time had run out."""
        with self._lock:
            for token in self.tokens.living():
                self.tokens.revoke(token)

    def count(self, path: str) -> int:
        """How many requests for *path* were answered with success."""
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
        """As :meth:`app_integration.transport.http.Transport.send`, without a network."""
        with self._lock:
            fault = self._faults.take(path)
            if fault is Fault.UNREACHABLE:
                raise Unreachable(f"{ADDRESS} can't be reached (a planned fault)")
            if fault is Fault.SLOW:
                self.clock.advance(timeout)
                raise DeadlineExceeded(f"no whole answer from {ADDRESS} to {method} {path} in time")
            answer, request_id = self._answered(method, path, token, body, wrap_ttl, fault)
        if fault is Fault.CUT:
            raise Unreachable(f"{ADDRESS} cut the connection (a planned fault)")
        return decode(method, path, Reply(answer.status, _content(answer, request_id)))

    def close(self) -> None:
        """Nothing is open."""

    def _answered(
        self,
        method: str,
        path: str,
        token: str | None,
        body: Mapping[str, Any] | None,
        wrap_ttl: int | None,
        fault: Fault | None,
    ) -> tuple[ServerResponse, str]:
        # As it would travel: a Secret in it arrives as its characters.
        presented, travelled = json.loads(json.dumps([token, body]))
        request = Request.parse(method, path, presented, travelled)
        try:
            answer = _planned(fault) if fault and fault.value > 0 else self._route(request)
            if wrap_ttl is not None:
                answer = self._wrapping.wrap(answer, request.path, wrap_ttl)
        except Refused as refused:
            answer = refused.answer
        request_id = secrets.token_hex(16)
        self.seen.append(Seen(method, path, answer.status, request_id))
        return answer, request_id

    def _route(self, request: Request) -> ServerResponse:
        if _strings(request.body) > _MAX_STRINGS:
            reason = "exceeded maximum number of strings"
            raise Refused(400, f"refused JSON input due to high complexity: {reason}")
        if request.path.startswith(_OPEN):
            return self._route_open(request)
        token = self.tokens.find(request.token)
        if token is None or not self._allows(token, request):
            raise Refused(403, DENIED)
        return self._route_mounts(request, token)

    def _allows(self, token: Token, request: Request) -> bool:
        return self.authorise(token.policies, request.capability, request.path)

    def _route_open(self, request: Request) -> ServerResponse:
        if request.path == "sys/health":
            return ServerResponse(200, {"initialized": True, "sealed": False, "standby": False})
        if request.path.startswith("sys/wrapping/"):
            return self._wrapping.answer(request.below("sys/wrapping"))
        return self.approles.login(request)

    def _route_mounts(self, request: Request, token: Token) -> ServerResponse:
        mounts: dict[str, Callable[[Request], ServerResponse]] = {
            names.KV_MOUNT: self._kv.answer,
            names.TRANSIT_MOUNT: self._transit.answer,
            names.DATABASE_MOUNT: lambda below: self.leases.answer(below, token),
            "sys/leases": self.leases.answer_leases,
            "sys/audit-hash": self._audit_hash,
            "auth/token": lambda below: self.tokens.answer(below, token),
            f"auth/{names.APPROLE_MOUNT}": self.approles.answer,
        }
        for mount, answer in mounts.items():
            if request.path.startswith(f"{mount}/"):
                return answer(request.below(mount))
        raise Refused(404, f'no handler for route "{request.path}". route entry not found.')

    def _audit_hash(self, request: Request) -> ServerResponse:
        if request.method != "POST":
            raise unsupported()
        text = str(request.body.get("input", ""))
        digest = hmac.digest(self._salt, text.encode(), "sha256").hex()
        return data({"hash": f"hmac-sha256:{digest}"})


def _planned(fault: Fault) -> ServerResponse:
    words = DENIED if fault is Fault.DENIED else "a planned fault"
    return ServerResponse(fault.value, {"errors": [words]})


def _strings(value: object) -> int:
    """How many strings *value* holds, keys and values."""
    if isinstance(value, Mapping):
        return len(value) + sum(map(_strings, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_strings, value))
    return int(isinstance(value, str))


def _content(answer: ServerResponse, request_id: str) -> bytes:
    """The body as it would travel, so that nothing is shared with the caller."""
    if not answer.body:
        return b""
    envelope = {"lease_id": "", "lease_duration": 0, "renewable": False}
    whole = answer.body if "errors" in answer.body else {**envelope, **answer.body}
    return json.dumps({"request_id": request_id, **whole}).encode()
