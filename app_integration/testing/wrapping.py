"""Response wrapping in memory: responses kept under a single-use token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_path,
)

_INVALID: Final = "wrapping token is not valid or does not exist"


@dataclass(frozen=True, slots=True)
class _Wrapped:
    response: ServerResponse = field(repr=False)
    path: str
    ttl: float
    expires: float
    created: str


class Wrapping:
    """A store of wrapped responses that have not been unwrapped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrapped: dict[str, _Wrapped] = {}

    def wrap(self, response: ServerResponse, path: str, ttl: float) -> ServerResponse:
        """Store *response* and return the response with its wrapping token.

        Args:
            response: The response to wrap.
            path: Path of the request.
            ttl: Seconds in which it can be unwrapped.

        """
        token, created = f"s.{secrets.token_urlsafe(18)}", self._clock.timestamp()
        expires = self._clock() + ttl
        self._wrapped[token] = _Wrapped(response, path, ttl, expires, created)
        about = {
            "token": token,
            "ttl": round(ttl),
            "creation_path": path,
            "creation_time": created,
        }
        return ServerResponse(200, {"data": None, "wrap_info": about})

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request below ``sys/wrapping`` and return the response."""
        match request.method, request.path:
            case "POST", "lookup":
                return self._lookup(str(request.body.get("token") or request.token))
            case "POST", "unwrap":
                return self._unwrap(str(request.body.get("token") or request.token))
            case _:
                raise unsupported_path()

    def _lookup(self, token: str) -> ServerResponse:
        wrapped = self._find(token)
        about = {"creation_path": wrapped.path, "creation_ttl": round(wrapped.ttl)}
        return data_response({**about, "creation_time": wrapped.created})

    def _unwrap(self, token: str) -> ServerResponse:
        response = self._find(token).response
        del self._wrapped[token]
        return response

    def _find(self, token: str) -> _Wrapped:
        wrapped = self._wrapped.get(token)
        if wrapped is None or wrapped.expires <= self._clock():
            raise ErrorResponse(400, _INVALID)
        return wrapped
