"""Tokens in memory: issue, expiry up to a maximum TTL, use counts, and revocation with children."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import frame_error

DENIED: Final = frame_error("permission denied")
MAX_TTL: Final = 2_764_800  # seconds; the default of the real server's mounts
#: Seconds of a TTL, and a time, that never comes.
NEVER: Final = float("inf")


@dataclass(slots=True)
class Token:
    """A token of the server. Durations are in seconds, and times on the server's clock.

    *uses* counts the requests that are left: 0 for no limit, -1 when it is used up. *parent* is
    None for an orphan, *period* 0 for a token that is not periodic, and *renewal* 0 for the TTL.
    """

    value: str = field(repr=False)
    accessor: str
    name: str
    policies: tuple[str, ...]
    ttl: float
    expires: float
    max_expires: float
    created: float
    renewable: bool = True
    metadata: Mapping[str, str] | None = None
    uses: int = 0
    parent: Token | None = field(default=None, repr=False)
    path: str = "auth/token/create"
    period: float = 0.0
    explicit_max_ttl: float = 0.0
    entity: str = ""
    renewal: float = 0.0

    def auth(self, now: float) -> dict[str, Any]:
        """Return the ``auth`` block of a response."""
        return {
            "client_token": self.value,
            "accessor": self.accessor,
            "policies": list(self.policies),
            "token_policies": list(self.policies),
            "metadata": self.metadata,
            "lease_duration": self.seconds_left(now),
            "renewable": self.renewable,
            "entity_id": self.entity,
            "token_type": "service",
            "orphan": self.parent is None,
            "mfa_requirement": None,
            "num_uses": self.uses,
        }

    def seconds_left(self, now: float) -> int:
        """Return the seconds until it expires; 0 for a token that never does."""
        return 0 if self.expires == NEVER else round(self.expires - now)

    def describe(self, clock: Clock) -> dict[str, Any]:
        """Return the token as a lookup shows it."""
        expires = self.expires != NEVER
        period = {"period": round(self.period)} if self.period else {}
        return {
            **period,
            "accessor": self.accessor,
            "creation_time": clock.unix(self.created),
            "creation_ttl": round(self.ttl) if self.ttl != NEVER else 0,
            "display_name": self.name,
            "entity_id": self.entity,
            "expire_time": clock.timestamp(self.expires) if expires else None,
            "explicit_max_ttl": round(self.explicit_max_ttl),
            "id": self.value,
            "issue_time": clock.timestamp(self.created),
            "meta": self.metadata,
            "num_uses": self.uses,
            "orphan": self.parent is None,
            "path": self.path,
            "policies": list(self.policies),
            "renewable": self.renewable,
            "ttl": self.seconds_left(clock()),
            "type": "service",
        }


class TokenStore:
    """A token store."""

    def __init__(self, clock: Clock, on_revoke: Callable[[Token], None]) -> None:
        """Start without tokens."""
        self._clock = clock
        self._on_revoke = on_revoke
        self._tokens: dict[str, Token] = {}

    def issue(
        self,
        name: str,
        policies: tuple[str, ...],
        *,
        ttl: float,
        max_ttl: float = NEVER,
        renewable: bool = True,
        value: str = "",
    ) -> Token:
        """Return a new token."""
        now = self._clock()
        value = value or f"s.{secrets.token_urlsafe(18)}"
        max_expires = now + max_ttl
        token = Token(
            value,
            secrets.token_urlsafe(18),
            name,
            policies,
            ttl,
            min(now + ttl, max_expires),
            max_expires,
            now,
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

    def find_accessor(self, accessor: str) -> Token | None:
        """Return the token with *accessor*; None if there is none, or it has expired."""
        return next((each for each in self.living() if each.accessor == accessor), None)

    def living(self) -> list[Token]:
        """Return all tokens that have not expired."""
        return [token for value in list(self._tokens) if (token := self.find(value))]

    def revoke(self, token: Token) -> None:
        """Revoke *token*, its leases and the tokens that it issued."""
        if self._tokens.pop(token.value, None) is None:
            return
        self._on_revoke(token)
        for child in [each for each in self._tokens.values() if each.parent is token]:
            self.revoke(child)

    def count_use(self, token: Token) -> None:
        """Count a request with *token*."""
        if token.uses > 0:
            # Like the real server, whose lookup with the last use shows -1.
            token.uses = token.uses - 1 or -1

    def revoke_used_up(self, token: Token) -> None:
        """Revoke *token* if it has no use left, after the request that was its last."""
        if token.uses < 0:
            self.revoke(token)

    def orphan_children(self, token: Token) -> None:
        """Let the tokens that *token* issued live on when it is revoked."""
        for child in self._tokens.values():
            if child.parent is token:
                child.parent = None

    def renew(self, token: Token, increment: float = 0.0) -> dict[str, Any]:
        """Extend *token* and return the ``auth`` block of the response."""
        now = self._clock()
        token.renewal = increment or token.renewal
        seconds = token.period or token.renewal or token.ttl
        token.expires = min(now + seconds, token.max_expires)
        return token.auth(now)
