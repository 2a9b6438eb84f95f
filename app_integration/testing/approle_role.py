"""A role of the in-memory AppRole method, with its secret-ids."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from app_integration.testing.clock import Clock
from app_integration.testing.http import ErrorResponse, internal_error, unsupported_parameter
from app_integration.testing.parameters import Parameters
from app_integration.testing.tokens import NEVER

#: Parameters of a role that are supported.
SUPPORTED: Final = (
    *("token_policies", "token_ttl", "token_max_ttl", "token_explicit_max_ttl", "token_period"),
    *("token_no_default_policy", "token_num_uses", "token_type", "bind_secret_id", "role_id"),
    *("secret_id_num_uses", "secret_id_ttl"),
)
_TYPES: Final = ("", "default", "service")


@dataclass(slots=True)
class SecretId:
    """A secret-id of a role; *uses* is 0 for no limit, and *expires* infinity for never."""

    accessor: str
    uses: int
    ttl: float
    created: float
    expires: float
    metadata: Mapping[str, str]

    def describe(self, clock: Clock) -> dict[str, Any]:
        """Return the secret-id as a lookup shows it."""
        expires = self.expires != NEVER
        created = clock.timestamp(self.created)
        return {
            "cidr_list": [],
            "creation_time": created,
            "expiration_time": clock.timestamp(self.expires) if expires else "0001-01-01T00:00:00Z",
            "last_updated_time": created,
            "metadata": dict(self.metadata),
            "secret_id_accessor": self.accessor,
            "secret_id_num_uses": self.uses,
            "secret_id_ttl": round(self.ttl),
            "token_bound_cidrs": [],
        }


@dataclass(slots=True)
class Role:
    """An AppRole; by default its tokens are periodic, like those of declared roles.

    Times are in seconds. A 0 is the server's default for *ttl* and *max_ttl*; elsewhere it sets no
    limit, or no period.
    """

    name: str
    policies: tuple[str, ...]
    role_id: str = field(repr=False)
    clock: Clock = field(repr=False)
    ttl: float = 3600.0
    max_ttl: float = NEVER
    uses: int = 0
    secret_ids: dict[str, SecretId] = field(default_factory=dict, repr=False)
    no_default_policy: bool = True
    period: float = 0.0
    explicit_max_ttl: float = 0.0
    token_uses: int = 0
    secret_id_ttl: float = 0.0
    kind: str = "default"
    entity: str = field(default_factory=lambda: secrets.token_hex(16))

    @classmethod
    def from_api(cls, name: str, role_id: str, clock: Clock) -> Self:
        """Return a new role with the defaults of the real server."""
        return cls(name, (), role_id, clock, ttl=0.0, max_ttl=0.0, no_default_policy=False)

    def issue(self) -> str:
        """Return a new secret-id."""
        secret_id = secrets.token_urlsafe(24)
        self.add(secret_id, uses=self.uses, ttl=self.secret_id_ttl)
        return secret_id

    def add(
        self, secret_id: str, *, uses: int, ttl: float, metadata: Mapping[str, str] | None = None
    ) -> SecretId:
        """Add *secret_id* and return what the server knows of it."""
        now = self.clock()
        expires = now + ttl if ttl else NEVER
        added = SecretId(secrets.token_hex(16), uses, ttl, now, expires, metadata or {})
        self.secret_ids[secret_id] = added
        return added

    def living(self) -> dict[str, SecretId]:
        """Remove the secret-ids that have expired, and return the others."""
        now = self.clock()
        for secret_id in [key for key, each in self.secret_ids.items() if each.expires <= now]:
            del self.secret_ids[secret_id]
        return self.secret_ids

    def find(self, secret_id: str) -> SecretId | None:
        """Return what is known of *secret_id*; None if there is none, or it has expired."""
        return self.living().get(secret_id)

    def find_accessor(self, accessor: str) -> tuple[str, SecretId] | None:
        """Return the secret-id with *accessor*, and what is known of it; None if there is none."""
        return next((item for item in self.living().items() if item[1].accessor == accessor), None)

    def use(self, secret_id: str) -> SecretId | None:
        """Return what is known of *secret_id* and count a login; None if it is not valid."""
        found = self.find(secret_id)
        if found is not None and found.uses == 1:
            del self.secret_ids[secret_id]
        elif found is not None and found.uses:
            found.uses -= 1
        return found

    def lifetime(self, default: float) -> tuple[float, float]:
        """Return the TTL and the maximum TTL of a new token, in seconds."""
        max_ttl = NEVER if self.period else self.max_ttl or default
        max_ttl = min(max_ttl, self.explicit_max_ttl or NEVER)
        return min(self.period or self.ttl or default, max_ttl), max_ttl

    def updated(self, given: Parameters) -> Role:
        """Return the role with the fields that are *given*."""
        new = replace(
            self,
            policies=_policies(given, self.policies),
            role_id=given.text("role_id", self.role_id),
            ttl=given.seconds("token_ttl", self.ttl),
            max_ttl=given.seconds("token_max_ttl", self.max_ttl),
            period=given.seconds("token_period", self.period),
            explicit_max_ttl=given.seconds("token_explicit_max_ttl", self.explicit_max_ttl),
            secret_id_ttl=given.seconds("secret_id_ttl", self.secret_id_ttl),
            uses=given.integer("secret_id_num_uses", self.uses),
            token_uses=given.integer("token_num_uses", self.token_uses),
            no_default_policy=given.boolean("token_no_default_policy", self.no_default_policy),
            kind=given.text("token_type", self.kind) or "default",
        )
        new.check()
        if not given.boolean("bind_secret_id", default=True):
            raise internal_error("at least one constraint should be enabled on the role")
        return new

    def check(self) -> None:
        """Raise an error if the role is invalid."""
        if self.kind == "batch":
            raise unsupported_parameter("token_type", "batch")
        if self.kind not in _TYPES:
            raise ErrorResponse(400, f"invalid 'token_type' value \"{self.kind}\"")
        if self.token_uses < 0:
            raise ErrorResponse(400, "'token_num_uses' cannot be negative")
        if self.uses < 0:
            raise ErrorResponse(400, "secret_id_num_uses cannot be negative")
        if self.max_ttl and self.ttl > self.max_ttl:
            raise ErrorResponse(400, "'token_ttl' cannot be greater than 'token_max_ttl'")

    def describe(self) -> dict[str, Any]:
        """Return the role as the server shows it."""
        return {
            "bind_secret_id": True,
            "local_secret_ids": False,
            "secret_id_bound_cidrs": None,
            "secret_id_num_uses": self.uses,
            "secret_id_ttl": round(self.secret_id_ttl),
            "token_bound_cidrs": [],
            "token_explicit_max_ttl": round(self.explicit_max_ttl),
            "token_max_ttl": round(self.max_ttl) if self.max_ttl != NEVER else 0,
            "token_no_default_policy": self.no_default_policy,
            "token_num_uses": self.token_uses,
            "token_period": round(self.period),
            "token_policies": list(self.policies),
            "token_strictly_bind_ip": False,
            "token_ttl": round(self.ttl),
            "token_type": self.kind,
        }


def _policies(given: Parameters, before: tuple[str, ...]) -> tuple[str, ...]:
    if "token_policies" not in given:
        return before
    return tuple(dict.fromkeys(name.strip().lower() for name in given.texts("token_policies")))
