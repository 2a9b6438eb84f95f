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
    list_response,
    unsupported_path,
)
from app_integration.testing.parameters import Parameters, read
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
    """A lease, which is revoked with the token that requested it."""

    id: str
    user: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    issued: float
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
        """Declare the static role *name*, unless it exists, and return it.

        *period* is the number of seconds between two rotations.
        """
        role = StaticRole(username, period, self._clock(), secrets.token_urlsafe(20))
        return self.static_roles.setdefault(name, role)

    def handle(self, request: Request, token: Token) -> ServerResponse:
        """Handle a request below the mount, sent with *token*, and return the response."""
        match request.method, request.path.split("/"):
            case "GET", ["creds", name] if name in self.roles:
                read(request)
                return self._lease(name, token)
            case "GET", ["static-creds", name] if name in self.static_roles:
                read(request)
                return data_response(self._read_static(self.static_roles[name]))
            case "POST", ["rotate-role", name] if name in self.static_roles:
                read(request)
                self._rotate(self.static_roles[name])
                return NO_CONTENT
            case "GET", ["creds" | "static-creds", name]:
                raise ErrorResponse(400, f"unknown role: {name}")
            case _:
                raise unsupported_path()

    def handle_leases(self, request: Request) -> ServerResponse:
        """Handle a request below ``sys/leases`` and return the response."""
        kind, _, rest = request.path.rstrip("/").partition("/")
        match request.method, kind:
            case "POST", "lookup" if not rest:
                return self._lookup(request)
            case "LIST", "lookup":
                return self._list(rest, request)
            case "POST", "renew":
                return self._renew(rest, request)
            case "POST", "revoke":
                self._leases.pop(self._lease_id(rest, read(request, "lease_id", "sync")), None)
                return NO_CONTENT
            case "POST", "revoke-prefix" | "revoke-force" if rest:
                read(request, *(("sync",) if kind == "revoke-prefix" else ()))
                self.revoke_prefix(rest)
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
            issued=now,
            expires=min(now + role.ttl, now + role.max_ttl),
            max_expires=now + role.max_ttl,
        )
        self._leases[lease.id] = lease
        return ServerResponse(200, {**self._describe(lease), "data": dict(lease.user)})

    def _lookup(self, request: Request) -> ServerResponse:
        lease = self._find(self._lease_id("", read(request, "lease_id")))
        if lease is None:
            raise ErrorResponse(400, "invalid lease")
        return data_response(
            {
                "id": lease.id,
                "issue_time": self._clock.timestamp(lease.issued),
                "expire_time": self._clock.timestamp(lease.expires),
                "last_renewal": None,
                "renewable": True,
                "ttl": round(lease.expires - self._clock()),
            }
        )

    def _list(self, prefix: str, request: Request) -> ServerResponse:
        read(request)
        folder = f"{prefix}/" if prefix else ""
        ids = [lease.id for lease in self.living() if lease.id.startswith(folder)]
        below = {lease_id.removeprefix(folder).partition("/") for lease_id in ids}
        return list_response(sorted({f"{name}{slash}" for name, slash, _ in below}))

    def _renew(self, url_id: str, request: Request) -> ServerResponse:
        given = read(request, "lease_id", "increment")
        increment = given.seconds("increment")
        lease = self._find(self._lease_id(url_id, given))
        if lease is None:
            raise ErrorResponse(400, "lease not found")
        # The name of a role has no slash; the mount may have some.
        seconds = increment or self.roles[lease.id.split("/")[-2]].ttl
        lease.expires = min(self._clock() + seconds, lease.max_expires)
        return ServerResponse(200, self._describe(lease))

    def _find(self, lease_id: str) -> Lease | None:
        return next((lease for lease in self.living() if lease.id == lease_id), None)

    def _lease_id(self, url_id: str, given: Parameters) -> str:
        """Return the id of a lease, which is in the path or in the body."""
        lease_id = given.text("lease_id") or url_id
        if not lease_id:
            raise ErrorResponse(400, "lease_id must be specified")
        return lease_id

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
