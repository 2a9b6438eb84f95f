"""Settings of the tokens that a login returns, and the reading of auth roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vault.reconcile.lifetimes import comparable_lifetimes
from vault.reconcile.resources import Fields, ReadSession, read_data, select_fields
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


def read_fields(reader: ReadSession, path: str, desired: Fields) -> Fields | None:
    """Return the fields of *desired* as they are at *path*, None for a 404."""
    data = read_data(reader, path)
    return None if data is None else normalise_fields(desired, data)


def read_role(reader: ReadSession, mount: str, path: str, desired: Fields) -> Fields | None:
    """Return the fields of *desired* of the role at *path*, its TTLs as capped by *mount*.

    The result is None if there is no such role.
    """
    data = read_data(reader, path)
    if data is None:
        return None
    return normalise_fields(
        desired, {**data, **comparable_lifetimes(data, read_max_ttl(reader, mount), desired)}
    )


def normalise_fields(desired: Fields, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of *desired* from *data*, with lists sorted and text stripped."""
    return select_fields(
        desired, {key: _normalise_value(value, data.get(key)) for key, value in desired.items()}
    )


def _normalise_value(declared: Any, found: Any) -> Any:
    """Return *found* in the form of the declared value; the server returns None for empty ones."""
    if isinstance(declared, list):
        return sorted(_normalise_value("", each) for each in found or ())
    if isinstance(declared, Mapping):
        return dict(found or {})
    if declared == "" and found is None:
        return ""
    return found.strip() if isinstance(found, str) else found
