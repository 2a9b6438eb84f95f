"""What every login decides of the tokens that it gives, and how the server's answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vault.reconcile.lifetimes import in_force
from vault.reconcile.resources import Fields, Reader, pick, read_data
from vault.reconcile.resources.mounts import max_ttl


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Policies and life of a login's tokens.

    Attributes:
        period: seconds; a periodic token lives on as long as it is renewed in time.
        ttl: seconds that a token without a period lives, until it is renewed.
        max_ttl: seconds at most, renewals included. None of these is more than the auth mount
            allows: see :mod:`vault.reconcile.lifetimes`.
        default_policy: whether the server's own policy ``default`` comes with it.

    """

    policies: tuple[str, ...] = ()
    period: int = 0
    ttl: int = 0
    max_ttl: int = 0
    default_policy: bool = False

    def fields(self) -> Fields:
        """As the server names them. No use counts: they break an agent's renewals."""
        return {
            "token_policies": sorted(self.policies),
            "token_period": self.period,
            "token_ttl": self.ttl,
            "token_max_ttl": self.max_ttl,
            "token_explicit_max_ttl": 0,
            "token_num_uses": 0,
            "token_no_default_policy": not self.default_policy,
        }


def read_fields(reader: Reader, path: str, desired: Fields) -> Fields | None:
    """Of what is at *path*, the fields of *desired*; None when nothing is there."""
    data = read_data(reader, path)
    return None if data is None else normal(desired, data)


def read_role(reader: Reader, mount: str, path: str, desired: Fields) -> Fields | None:
    """Of the role at *path*, the fields of *desired*, its lifetimes as *mount* grants them."""
    data = read_data(reader, path)
    if data is None:
        return None
    return normal(desired, {**data, **in_force(data, max_ttl(reader, mount), desired)})


def normal(desired: Fields, data: Mapping[str, Any]) -> dict[str, Any]:
    """Of *data*, the fields of *desired*: lists in order, text without its last line end."""
    return pick(desired, {key: _normal(value, data.get(key)) for key, value in desired.items()})


def _normal(declared: Any, found: Any) -> Any:
    """*found* in the form of what is declared; the server gives None for what is empty."""
    if isinstance(declared, list):
        return sorted(_normal("", each) for each in found or ())
    if isinstance(declared, Mapping):
        return dict(found or {})
    if declared == "" and found is None:
        return ""
    return found.strip() if isinstance(found, str) else found
