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
    unsupported_operation,
    unsupported_path,
)
from app_integration.testing.parameters import parse_seconds, read

_INVALID: Final = "wrapping token is not valid or does not exist"
_METHODS: Final = {
    "wrap": ("POST",),
    "lookup": ("GET", "POST"),
    "unwrap": ("GET", "POST"),
    "rewrap": ("POST",),
}
_FIRST_ERROR: Final = 400


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

        Errors and responses without a body are returned as they are.
        """
        if response.status >= _FIRST_ERROR or not response.body or "wrap_info" in response.body:
            return response
        token, created = f"s.{secrets.token_urlsafe(18)}", self._clock.timestamp()
        expires = self._clock() + ttl
        self._wrapped[token] = _Wrapped(response, path, ttl, expires, created)
        auth = response.body.get("auth")
        inner = {"wrapped_accessor": auth["accessor"]} if auth else {}
        about = {
            "token": token,
            "accessor": secrets.token_urlsafe(18),
            "ttl": round(ttl),
            "creation_path": path,
            "creation_time": created,
            **inner,
        }
        return ServerResponse(200, {"data": None, "wrap_info": about})

    def handle(self, request: Request, ttl: float) -> ServerResponse:
        """Handle a request below ``sys/wrapping`` and return the response."""
        if request.path not in _METHODS:
            raise unsupported_path()
        if request.method not in _METHODS[request.path]:
            raise unsupported_operation()
        if request.path == "wrap":
            if not ttl:
                raise ErrorResponse(400, "endpoint requires response wrapping to be used")
            return data_response(request.body)
        token = read(request, "token").text("token") or request.token or ""
        if not token:
            raise ErrorResponse(403, "error validating wrapping token: token is empty")
        if request.path == "lookup":
            return self._lookup(token)
        return self._rewrap(token) if request.path == "rewrap" else self._unwrap(token)

    def _lookup(self, token: str) -> ServerResponse:
        wrapped = self._find(token)
        about = {"creation_path": wrapped.path, "creation_ttl": round(wrapped.ttl)}
        return data_response({**about, "creation_time": wrapped.created})

    def _unwrap(self, token: str) -> ServerResponse:
        response = self._find(token).response
        del self._wrapped[token]
        return response

    def _rewrap(self, token: str) -> ServerResponse:
        wrapped = self._find(token)
        del self._wrapped[token]
        return self.wrap(wrapped.response, wrapped.path, wrapped.ttl)

    def _find(self, token: str) -> _Wrapped:
        wrapped = self._wrapped.get(token)
        if wrapped is None or wrapped.expires <= self._clock():
            raise ErrorResponse(400, _INVALID)
        return wrapped


def parse_ttl(given: float | str | None) -> float:
    """Return the seconds that a request asks its response to be wrapped for; 0 for not."""
    try:
        seconds = parse_seconds(given)
    except ValueError as error:
        raise ErrorResponse(400, f"error parsing X-Vault-Wrap-TTL header: {error}") from None
    if seconds < 0:
        reason = "requested wrap ttl cannot be negative"
        raise ErrorResponse(400, f"error parsing X-Vault-Wrap-TTL header: {reason}")
    return seconds
