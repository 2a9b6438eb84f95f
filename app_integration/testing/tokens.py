"""Tokens in memory: issue, lookup, renewal up to a maximum, revocation, expiry by the clock."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    Refused,
    Request,
    ServerResponse,
    data,
    no_such_path,
)

DENIED: Final = "1 error occurred:\n\t* permission denied\n\n"


@dataclass(slots=True)
class Token:
    """One token of the server.

    Attributes:
        name: who logged in, such as the role.
        ttl: seconds from issue or renewal.
        expires: on the server's clock.
        last: on the clock: no renewal goes beyond; infinity for a periodic token.

    """

    value: str = field(repr=False)
    accessor: str
    name: str
    policies: tuple[str, ...]
    ttl: float
    expires: float
    last: float
    renewable: bool = True

    def auth(self, now: float) -> dict[str, Any]:
        """The ``auth`` block of an answer."""
        return {
            "client_token": self.value,
            "accessor": self.accessor,
            "policies": list(self.policies),
            "metadata": {"role_name": self.name},
            "lease_duration": round(self.expires - now),
            "renewable": self.renewable,
        }


class TokenStore:
    """The token store; *ended* is called with each token that is gone, so that its leases go."""

    def __init__(self, clock: Clock, ended: Callable[[Token], None]) -> None:
        self._clock = clock
        self._ended = ended
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
        """A new token that lives *ttl* seconds, and with renewals at most *max_ttl*."""
        now = self._clock()
        value, accessor = f"s.{secrets.token_urlsafe(18)}", secrets.token_urlsafe(18)
        last = now + max_ttl
        token = Token(value, accessor, name, policies, ttl, min(now + ttl, last), last, renewable)
        self._tokens[value] = token
        return token

    def find(self, value: str | None) -> Token | None:
        """The living token *value*; None for any other."""
        token = self._tokens.get(value or "")
        if token is not None and token.expires <= self._clock():
            self.revoke(token)
            return None
        return token

    def living(self) -> list[Token]:
        """All tokens that live."""
        return [token for value in list(self._tokens) if (token := self.find(value))]

    def revoke(self, token: Token) -> None:
        """End *token* and what hangs on it."""
        if self._tokens.pop(token.value, None) is not None:
            self._ended(token)

    def answer(self, request: Request, token: Token) -> ServerResponse:
        """The answer to *request* below ``auth/token``, sent with *token*."""
        match request.method, request.path:
            case "GET", "lookup-self":
                return data(self._described(token))
            case "POST", "renew-self":
                return self._renew(token)
            case "POST", "revoke-self":
                self.revoke(token)
                return NO_CONTENT
            case _:
                raise no_such_path()

    def _renew(self, token: Token) -> ServerResponse:
        if not token.renewable:
            raise Refused(400, "lease is not renewable")
        now = self._clock()
        token.expires = min(now + token.ttl, token.last)
        return ServerResponse(200, {"auth": token.auth(now)})

    def _described(self, token: Token) -> Mapping[str, Any]:
        return {
            "accessor": token.accessor,
            "display_name": token.name,
            "policies": list(token.policies),
            "ttl": round(token.expires - self._clock()),
            "renewable": token.renewable,
        }
