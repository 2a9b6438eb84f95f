"""Leased and static database users in memory, and the leases at ``sys/leases``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app_integration.names import DATABASE_MOUNT
from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_path,
)
from app_integration.testing.tokens import Token


@dataclass(slots=True)
class DatabaseRole:
    """A database role, with the TTL of its leases and the maximum TTL with renewals, in seconds."""

    ttl: float = 3600.0
    max_ttl: float = 86_400.0


@dataclass(slots=True)
class StaticRole:
    """A database user whose password the server rotates every *period* seconds."""

    username: str
    period: float
    rotated: float
    password: str = field(repr=False)


@dataclass(slots=True)
class Lease:
    """A lease, which is revoked with the token that requested it.

    Attributes:
        expires: Expiry on the server's clock.
        max_expires: Latest expiry on the same clock; no renewal extends the lease beyond it.

    """

    id: str
    user: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    expires: float
    max_expires: float


class Leases:
    """A database engine, with its leases."""

    def __init__(self, clock: Clock, mount: str = DATABASE_MOUNT) -> None:
        self._clock = clock
        self._mount = mount
        self._leases: dict[str, Lease] = {}
        self.roles: dict[str, DatabaseRole] = {}
        self.static_roles: dict[str, StaticRole] = {}

    def living(self) -> list[Lease]:
        """Remove the leases that have expired, and return the others."""
        now = self._clock()
        for lease in [lease for lease in self._leases.values() if lease.expires <= now]:
            del self._leases[lease.id]
        return list(self._leases.values())

    def revoke_token(self, token: Token) -> None:
        """Revoke the leases that *token* requested."""
        for lease in [lease for lease in self._leases.values() if lease.token == token.value]:
            del self._leases[lease.id]

    def revoke_prefix(self, prefix: str) -> None:
        """Revoke every lease whose id starts with *prefix*, such as ``database/creds/shop-dev``."""
        for lease_id in [lease_id for lease_id in self._leases if lease_id.startswith(prefix)]:
            del self._leases[lease_id]

    def add_static_role(self, name: str, username: str, period: float) -> StaticRole:
        """Declare the static role *name* and rotate its password.

        Args:
            name: Name of the role. If it exists, it is returned unchanged.
            username: The database user.
            period: Seconds between two rotations.

        """
        role = StaticRole(username, period, self._clock(), secrets.token_urlsafe(20))
        return self.static_roles.setdefault(name, role)

    def handle(self, request: Request, token: Token) -> ServerResponse:
        """Handle a request below the mount, sent with *token*, and return the response."""
        match request.method, request.path.split("/"):
            case "GET", ["creds", name] if name in self.roles:
                return self._lease(name, token)
            case "GET", ["static-creds", name] if name in self.static_roles:
                return data_response(self._read_static(self.static_roles[name]))
            case "POST", ["rotate-role", name] if name in self.static_roles:
                self._rotate(self.static_roles[name])
                return NO_CONTENT
            case "GET", ["creds" | "static-creds", name]:
                raise ErrorResponse(400, f"unknown role: {name}")
            case _:
                raise unsupported_path()

    def handle_leases(self, request: Request) -> ServerResponse:
        """Handle a request below ``sys/leases`` and return the response."""
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
                raise unsupported_path()

    def _lease(self, name: str, token: Token) -> ServerResponse:
        role, now = self.roles[name], self._clock()
        lease = Lease(
            id=f"{self._mount}/creds/{name}/{secrets.token_urlsafe(18)}",
            user={
                "username": f"v-{name}-{secrets.token_hex(6)}",
                "password": secrets.token_hex(16),
            },
            token=token.value,
            expires=min(now + role.ttl, now + role.max_ttl),
            max_expires=now + role.max_ttl,
        )
        self._leases[lease.id] = lease
        return ServerResponse(200, {**self._describe(lease), "data": dict(lease.user)})

    def _renew(self, request: Request) -> ServerResponse:
        lease_id = str(request.body.get("lease_id"))
        lease = next((lease for lease in self.living() if lease.id == lease_id), None)
        if lease is None:
            raise ErrorResponse(400, "lease not found")
        name = lease_id.split("/")[2]
        seconds = float(request.body.get("increment") or self.roles[name].ttl)
        lease.expires = min(self._clock() + seconds, lease.max_expires)
        return ServerResponse(200, self._describe(lease))

    def _describe(self, lease: Lease) -> dict[str, Any]:
        left = round(lease.expires - self._clock())
        return {"lease_id": lease.id, "lease_duration": left, "renewable": True}

    def _read_static(self, role: StaticRole) -> dict[str, Any]:
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
