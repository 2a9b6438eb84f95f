"""AppRole in memory: roles, secret-ids with a limited number of uses, and login."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_path,
)
from app_integration.testing.tokens import TokenStore


@dataclass(slots=True)
class Role:
    """An AppRole; by default its tokens are periodic, like those of declared roles.

    Attributes:
        ttl: Seconds until its tokens expire, unless they are renewed.
        max_ttl: Seconds until they expire in spite of renewals.
        uses: Number of logins with a new secret-id; 0 for no limit.
        secret_ids: Secret-id → number of logins that are left; 0 for no limit.

    """

    name: str
    policies: tuple[str, ...]
    role_id: str = field(repr=False)
    ttl: float = 3600.0
    max_ttl: float = float("inf")
    uses: int = 0
    secret_ids: dict[str, int] = field(default_factory=dict, repr=False)

    def issue(self) -> str:
        """Return a new secret-id."""
        secret_id = secrets.token_urlsafe(24)
        self.secret_ids[secret_id] = self.uses
        return secret_id


class AppRoles:
    """An AppRole auth method at ``auth/approle``."""

    def __init__(self, clock: Clock, tokens: TokenStore) -> None:
        self._clock = clock
        self._tokens = tokens
        self._roles: dict[str, Role] = {}

    def get_or_create_role(self, name: str, *policies: str) -> Role:
        """Return the role *name*; create it with *policies* if it does not exist."""
        new = Role(name, policies or (name,), secrets.token_urlsafe(24))
        return self._roles.setdefault(name, new)

    def login(self, request: Request) -> ServerResponse:
        """Log in and return the response with a new token.

        Raises:
            ErrorResponse: If the role-id or the secret-id is wrong. Like the real server it does
                not say which.

        """
        role_id, secret_id = request.body.get("role_id"), request.body.get("secret_id")
        for role in self._roles.values():
            if role.role_id == role_id and secret_id in role.secret_ids:
                self._use(role, secret_id)
                token = self._tokens.issue(
                    role.name, role.policies, ttl=role.ttl, max_ttl=role.max_ttl
                )
                return ServerResponse(200, {"auth": token.auth(self._clock())})
        raise ErrorResponse(400, "invalid role or secret ID")

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request below ``auth/approle`` and return the response."""
        match request.method, request.path.split("/"):
            case "POST", ["role", name, "secret-id"] if name in self._roles:
                return data_response({"secret_id": self._roles[name].issue()})
            case _:
                raise unsupported_path()

    def _use(self, role: Role, secret_id: str) -> None:
        left = role.secret_ids[secret_id]
        if left == 1:
            del role.secret_ids[secret_id]
        elif left:
            role.secret_ids[secret_id] = left - 1
