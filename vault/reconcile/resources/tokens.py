"""Settings of the tokens that a login returns, and the paths of auth methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vault.reconcile.lifetimes import comparable_lifetimes
from vault.reconcile.resources import Fields, ReadSession, StoredObject
from vault.reconcile.resources.mounts import read_max_ttl


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Policies and TTLs, in seconds, of a login's tokens.

    A token with a *period* has no maximum TTL. No TTL may exceed the auth mount's limit, see
    :mod:`vault.reconcile.lifetimes`.
    """

    policies: tuple[str, ...] = ()
    period: int = 0
    ttl: int = 0
    max_ttl: int = 0
    default_policy: bool = False

    def fields(self) -> Fields:
        """Return the server's fields. Uses are unlimited, because a limit breaks renewals."""
        return {
            "token_policies": sorted(self.policies),
            "token_period": self.period,
            "token_ttl": self.ttl,
            "token_max_ttl": self.max_ttl,
            "token_explicit_max_ttl": 0,
            "token_num_uses": 0,
            "token_no_default_policy": not self.default_policy,
        }


class AuthConfig(StoredObject):
    """The configuration of an auth method, whose mount is *name*."""

    __slots__ = ()
    name: str

    @property
    def _path(self) -> str:
        return f"auth/{self.name}/config"


class AuthRole(StoredObject):
    """A role of an auth method, whose mount caps its TTLs."""

    __slots__ = ()
    name: str
    mount: str

    @property
    def _path(self) -> str:
        return f"auth/{self.mount}/role/{self.name}"

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:
        return comparable_role(reader, f"auth/{self.mount}", self.desired(), data)


def comparable_role(reader: ReadSession, mount: str, desired: Fields, data: Fields) -> Fields:
    """Return the fields of *desired* from a role's *data*, its TTLs as capped by *mount*."""
    lifetimes = comparable_lifetimes(data, read_max_ttl(reader, mount), desired)
    return normalise_fields(desired, {**data, **lifetimes})


def normalise_fields(desired: Fields, data: Fields) -> Fields:
    """Return the fields of *desired* from *data*, with lists sorted and text stripped."""
    return {key: _normalise_value(value, data.get(key)) for key, value in desired.items()}


def _normalise_value(declared: Any, found: Any) -> Any:
    """Return *found* in the form of the declared value; the server returns None for empty ones."""
    if isinstance(declared, list):
        return sorted(_normalise_value("", each) for each in found or ())
    if isinstance(declared, Mapping):
        return dict(found or {})
    if declared == "" and found is None:
        return ""
    return found.strip() if isinstance(found, str) else found
