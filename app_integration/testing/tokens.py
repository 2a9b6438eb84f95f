"""Tokens in memory: issue, lookup, renewal up to a maximum TTL, revocation and expiry."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_path,
)

DENIED: Final = "1 error occurred:\n\t* permission denied\n\n"


@dataclass(slots=True)
class Token:
    """A token of the server.

    Attributes:
        name: Name of the role that logged in.
        ttl: Seconds from issue or renewal.
        expires: Expiry on the server's clock.
        max_expires: Latest expiry on the same clock; no renewal extends the token beyond it.
            Infinity for a periodic token.

    """

    value: str = field(repr=False)
    accessor: str
    name: str
    policies: tuple[str, ...]
    ttl: float
    expires: float
    max_expires: float
    renewable: bool = True

    def auth(self, now: float) -> dict[str, Any]:
        """Return the ``auth`` block of a response."""
        return {
            "client_token": self.value,
            "accessor": self.accessor,
            "policies": list(self.policies),
            "metadata": {"role_name": self.name},
            "lease_duration": round(self.expires - now),
            "renewable": self.renewable,
        }


class TokenStore:
    """A token store."""

    def __init__(self, clock: Clock, on_revoke: Callable[[Token], None]) -> None:
        """Start without tokens.

        Args:
            clock: Clock of the server.
            on_revoke: Called with each token that is revoked or has expired, to revoke its leases.

        """
        self._clock = clock
        self._on_revoke = on_revoke
        self._tokens: dict[str, Token] = {}

    def issue(
        self,
        name: str,
        policies: tuple[str, ...],
        *,
        ttl: float,
        max_ttl: float = float("inf"),
        renewable: bool = True,
    ) -> Token:
        """Return a new token.

        Args:
            name: Name of the role that logs in.
            policies: Policies that the token gets.
            ttl: Seconds until it expires, unless it is renewed.
            max_ttl: Seconds until it expires in spite of renewals.
            renewable: Whether it can be renewed.

        """
        now = self._clock()
        value, accessor = f"s.{secrets.token_urlsafe(18)}", secrets.token_urlsafe(18)
        max_expires = now + max_ttl
        token = Token(
            value,
            accessor,
            name,
            policies,
            ttl,
            min(now + ttl, max_expires),
            max_expires,
            renewable,
        )
        self._tokens[value] = token
        return token

    def find(self, value: str | None) -> Token | None:
        """Return the token with *value*; None if there is none, or it has expired."""
        token = self._tokens.get(value or "")
        if token is not None and token.expires <= self._clock():
            self.revoke(token)
            return None
        return token

    def living(self) -> list[Token]:
        """Return all tokens that have not expired."""
        return [token for value in list(self._tokens) if (token := self.find(value))]

    def revoke(self, token: Token) -> None:
        """Revoke *token* and its leases."""
        if self._tokens.pop(token.value, None) is not None:
            self._on_revoke(token)

    def handle(self, request: Request, token: Token) -> ServerResponse:
        """Handle a request below ``auth/token``, sent with *token*, and return the response."""
        match request.method, request.path:
            case "GET", "lookup-self":
                return data_response(self._describe(token))
            case "POST", "renew-self":
                return self._renew(token)
            case "POST", "revoke-self":
                self.revoke(token)
                return NO_CONTENT
            case _:
                raise unsupported_path()

    def _renew(self, token: Token) -> ServerResponse:
        if not token.renewable:
            raise ErrorResponse(400, "lease is not renewable")
        now = self._clock()
        token.expires = min(now + token.ttl, token.max_expires)
        return ServerResponse(200, {"auth": token.auth(now)})

    def _describe(self, token: Token) -> Mapping[str, Any]:
        return {
            "accessor": token.accessor,
            "display_name": token.name,
            "policies": list(token.policies),
            "ttl": round(token.expires - self._clock()),
            "renewable": token.renewable,
        }
