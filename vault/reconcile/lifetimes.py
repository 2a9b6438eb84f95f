"""How long what a server issues really lives.

A server caps each lifetime by what its role, its mount and the server itself allow, without a word:
the role still reads as it was written. These are the rules by which it does. Nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vault.declare import durations

#: Field of a role → the other fields of the role that cap it.
_CAPPED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "token_period": ("token_max_ttl", "token_explicit_max_ttl"),
    "token_ttl": ("token_max_ttl", "token_explicit_max_ttl"),
    "token_max_ttl": ("token_explicit_max_ttl",),
    "secret_id_ttl": (),
    "default_ttl": ("max_ttl",),
    "max_ttl": (),
}


def effective(role: Mapping[str, Any], mount_max: int) -> dict[str, int]:
    """Return the lifetimes among the fields of *role* as the server grants them, in seconds.

    Args:
        role: as the server gives it.
        mount_max: seconds; the mount's ``max_lease_ttl``, or the server's where it has none.

    """
    return {
        field: _capped(
            _seconds(role[field]), [_seconds(role.get(other)) for other in others], mount_max
        )
        for field, others in _CAPPED_BY.items()
        if field in role
    }


def in_force(
    role: Mapping[str, Any], mount_max: int, declared: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the lifetimes of *role* to compare with the *declared* ones.

    That is what the server grants, where the role itself says what is declared; else what it says.
    """
    return {
        field: granted if _seconds(role[field]) == declared.get(field) else role[field]
        for field, granted in effective(role, mount_max).items()
    }


def longest(role: Mapping[str, Any]) -> int:
    """Return the longest lifetime among the fields of *role*, in seconds."""
    return max((_seconds(role[field]) for field in _CAPPED_BY if field in role), default=0)


def _capped(declared: int, others: list[int], mount_max: int) -> int:
    """*declared*, as far as the limits allow: a limit of 0 is none, a lifetime of 0 isn't set."""
    return min([declared, mount_max, *(other for other in others if other)])


def _seconds(value: Any) -> int:
    return durations.normalise(value or 0)
