"""AppRole in memory: roles, secret-ids with a number of uses, login."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from app_integration.testing.clock import Clock
from app_integration.testing.http import Refused, Request, ServerResponse, data, no_such_path
from app_integration.testing.tokens import TokenStore


@dataclass(slots=True)
class Role:
    """One role; a periodic one by default, as the declaration makes them.

    Attributes:
        ttl: seconds its tokens live unless they are renewed.
        max_ttl: seconds they live at most.
        uses: how often a new secret-id may log in; 0 for without end.

    """

    name: str
    policies: tuple[str, ...]
    role_id: str = field(repr=False)
    ttl: float = 3600.0
    max_ttl: float = float("inf")
    uses: int = 0
    secret_ids: dict[str, int] = field(default_factory=dict, repr=False)

    def issue(self) -> str:
        """A new secret-id."""
        secret_id = secrets.token_urlsafe(24)
        self.secret_ids[secret_id] = self.uses
        return secret_id


class AppRoles:
    """The mount ``auth/approle``."""

    def __init__(self, clock: Clock, tokens: TokenStore) -> None:
        self._clock = clock
        self._tokens = tokens
        self._roles: dict[str, Role] = {}

    def role(self, name: str, *policies: str) -> Role:
        """The role *name*; made with *policies* when there is none."""
        made = Role(name, policies or (name,), secrets.token_urlsafe(24))
        return self._roles.setdefault(name, made)

    def login(self, request: Request) -> ServerResponse:
        """The answer to a login: a new token, or the server's one refusal for all reasons."""
        given = request.body.get("role_id"), request.body.get("secret_id")
        for role in self._roles.values():
            if role.role_id == given[0] and given[1] in role.secret_ids:
                self._use(role, given[1])
                token = self._tokens.issue(
                    role.name, role.policies, ttl=role.ttl, max_ttl=role.max_ttl
                )
                return ServerResponse(200, {"auth": token.auth(self._clock())})
        raise Refused(400, "invalid role or secret ID")

    def answer(self, request: Request) -> ServerResponse:
        """The answer to *request* below ``auth/approle``."""
        match request.method, request.path.split("/"):
            case "POST", ["role", name, "secret-id"] if name in self._roles:
                return data({"secret_id": self._roles[name].issue()})
            case _:
                raise no_such_path()

    def _use(self, role: Role, secret_id: str) -> None:
        left = role.secret_ids[secret_id]
        if left == 1:
            del role.secret_ids[secret_id]
        elif left:
            role.secret_ids[secret_id] = left - 1
