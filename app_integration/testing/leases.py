"""Leased and static database users in memory, and the leases under ``sys/leases``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    Refused,
    Request,
    ServerResponse,
    data,
    no_such_path,
)
from app_integration.testing.tokens import Token


@dataclass(slots=True)
class DatabaseRole:
    """How long users of one role live, in seconds: *ttl*, renewed up to *max_ttl*."""

    ttl: float = 3600.0
    max_ttl: float = 86_400.0


@dataclass(slots=True)
class StaticRole:
    """One user whose password the server rotates every *period* seconds."""

    username: str
    period: float
    rotated: float
    password: str = field(repr=False)


@dataclass(slots=True)
class Lease:
    """One lease; it ends with the token that took it.

    Attributes:
        expires: on the server's clock, as *last*, beyond which no renewal goes.

    """

    id: str
    user: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    expires: float
    last: float


class Leases:
    """The mount ``database``, and the leases that it gave."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self.roles: dict[str, DatabaseRole] = {}
        self.statics: dict[str, StaticRole] = {}

    def living(self) -> list[Lease]:
        """All leases that live; expired ones are let go."""
        now = self._clock()
        for lease in [lease for lease in self._leases.values() if lease.expires <= now]:
            del self._leases[lease.id]
        return list(self._leases.values())

    def end(self, token: Token) -> None:
        """End what *token* took."""
        for lease in [lease for lease in self._leases.values() if lease.token == token.value]:
            del self._leases[lease.id]

    def revoke_prefix(self, prefix: str) -> None:
        """End every lease whose id begins with *prefix*: ``database/creds/shop-dev``."""
        for lease_id in [lease_id for lease_id in self._leases if lease_id.startswith(prefix)]:
            del self._leases[lease_id]

    def static(self, name: str, username: str, period: float) -> StaticRole:
        """Declare the static role *name*; its password is rotated at once."""
        role = StaticRole(username, period, self._clock(), secrets.token_urlsafe(20))
        return self.statics.setdefault(name, role)

    def answer(self, request: Request, token: Token) -> ServerResponse:
        """The answer to *request* below ``database``, sent with *token*."""
        match request.method, request.path.split("/"):
            case "GET", ["creds", name] if name in self.roles:
                return self._lease(name, token)
            case "GET", ["static-creds", name] if name in self.statics:
                return data(self._static(self.statics[name]))
            case "POST", ["rotate-role", name] if name in self.statics:
                self._rotate(self.statics[name])
                return NO_CONTENT
            case "GET", ["creds" | "static-creds", name]:
                raise Refused(400, f"unknown role: {name}")
            case _:
                raise no_such_path()

    def answer_leases(self, request: Request) -> ServerResponse:
        """The answer to *request* below ``sys/leases``."""
        match request.method, request.path.split("/", 1):
            case "POST", ["renew"]:
                return self._renew(request)
            case "POST", ["revoke"]:
                self._leases.pop(str(request.body.get("lease_id")), None)
                return NO_CONTENT
            case "POST", ["revoke-prefix", prefix]:
                self.revoke_prefix(prefix)
                return NO_CONTENT
            case _:
                raise no_such_path()

    def _lease(self, name: str, token: Token) -> ServerResponse:
        role, now = self.roles[name], self._clock()
        lease = Lease(
            id=f"database/creds/{name}/{secrets.token_urlsafe(18)}",
            user={
                "username": f"v-{name}-{secrets.token_hex(6)}",
                "password": secrets.token_hex(16),
            },
            token=token.value,
            expires=min(now + role.ttl, now + role.max_ttl),
            last=now + role.max_ttl,
        )
        self._leases[lease.id] = lease
        return ServerResponse(200, {**self._described(lease), "data": dict(lease.user)})

    def _renew(self, request: Request) -> ServerResponse:
        lease_id = str(request.body.get("lease_id"))
        lease = next((lease for lease in self.living() if lease.id == lease_id), None)
        if lease is None:
            raise Refused(400, "lease not found")
        name = lease_id.split("/")[2]
        seconds = float(request.body.get("increment") or self.roles[name].ttl)
        lease.expires = min(self._clock() + seconds, lease.last)
        return ServerResponse(200, self._described(lease))

    def _described(self, lease: Lease) -> dict[str, Any]:
        left = round(lease.expires - self._clock())
        return {"lease_id": lease.id, "lease_duration": left, "renewable": True}

    def _static(self, role: StaticRole) -> dict[str, Any]:
        now = self._clock()
        if now - role.rotated >= role.period:
            self._rotate(role)
        return {
            "username": role.username,
            "password": role.password,
            "ttl": round(role.rotated + role.period - now),
            "rotation_period": round(role.period),
        }

    def _rotate(self, role: StaticRole) -> None:
        role.password, role.rotated = secrets.token_urlsafe(20), self._clock()
