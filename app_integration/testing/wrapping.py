"""Response wrapping in memory: an answer put aside under a token that opens it once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import Refused, Request, ServerResponse, data, no_such_path

_INVALID: Final = "wrapping token is not valid or does not exist"


@dataclass(frozen=True, slots=True)
class _Wrapped:
    answer: ServerResponse = field(repr=False)
    path: str
    ttl: float
    expires: float
    created: str


class Wrapping:
    """What was wrapped and not yet opened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrapped: dict[str, _Wrapped] = {}

    def wrap(self, answer: ServerResponse, path: str, ttl: float) -> ServerResponse:
        """In place of *answer* to *path*: a token that opens it within *ttl* seconds."""
        token, created = f"s.{secrets.token_urlsafe(18)}", self._clock.timestamp()
        expires = self._clock() + ttl
        self._wrapped[token] = _Wrapped(answer, path, ttl, expires, created)
        about = {
            "token": token,
            "ttl": round(ttl),
            "creation_path": path,
            "creation_time": created,
        }
        return ServerResponse(200, {"data": None, "wrap_info": about})

    def answer(self, request: Request) -> ServerResponse:
        """The answer to *request* below ``sys/wrapping``."""
        match request.method, request.path:
            case "POST", "lookup":
                return self._lookup(str(request.body.get("token") or request.token))
            case "POST", "unwrap":
                return self._unwrap(str(request.body.get("token") or request.token))
            case _:
                raise no_such_path()

    def _lookup(self, token: str) -> ServerResponse:
        wrapped = self._find(token)
        about = {"creation_path": wrapped.path, "creation_ttl": round(wrapped.ttl)}
        return data({**about, "creation_time": wrapped.created})

    def _unwrap(self, token: str) -> ServerResponse:
        answer = self._find(token).answer
        del self._wrapped[token]
        return answer

    def _find(self, token: str) -> _Wrapped:
        wrapped = self._wrapped.get(token)
        if wrapped is None or wrapped.expires <= self._clock():
            raise Refused(400, _INVALID)
        return wrapped
