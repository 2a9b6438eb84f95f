"""TTLs in force: how the server caps the TTL in a role.

The server caps each TTL by other fields of the role, by the mount and by its own limit. It does so
silently: the role still reads as it was written. This module applies the same rules, and sends no
requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vault.declare import durations

#: Field of a role → the role's other fields that cap it.
_CAPPED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "token_period": ("token_max_ttl", "token_explicit_max_ttl"),
    "token_ttl": ("token_max_ttl", "token_explicit_max_ttl"),
    "token_max_ttl": ("token_explicit_max_ttl",),
    "secret_id_ttl": (),
    "default_ttl": ("max_ttl",),
    "max_ttl": (),
}


def cap_lifetimes(role: Mapping[str, Any], mount_max: int) -> dict[str, int]:
    """Return the TTLs among the fields of *role* in seconds, as the server grants them."""
    return {
        field: _cap(
            _seconds(role[field]), [_seconds(role.get(other)) for other in limits], mount_max
        )
        for field, limits in _CAPPED_BY.items()
        if field in role
    }


def comparable_lifetimes(
    role: Mapping[str, Any], mount_max: int, declared: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the TTLs of *role* to compare with the *declared* ones.

    If the role reads as declared, that is the TTL that the server grants, so that a cap shows up as
    a difference. Otherwise it is the TTL in the role.
    """
    return {
        field: granted if _seconds(role[field]) == declared.get(field) else role[field]
        for field, granted in cap_lifetimes(role, mount_max).items()
    }


def longest_lifetime(role: Mapping[str, Any]) -> int:
    """Return the longest TTL among the fields of *role*, in seconds; 0 if it has none."""
    return max((_seconds(role[field]) for field in _CAPPED_BY if field in role), default=0)


def _cap(declared: int, limits: list[int], mount_max: int) -> int:
    """Return *declared*, capped. A limit of 0 is none, except for *mount_max*."""
    return min([declared, mount_max, *(limit for limit in limits if limit)])


def _seconds(value: Any) -> int:
    return durations.normalise(value or 0)
