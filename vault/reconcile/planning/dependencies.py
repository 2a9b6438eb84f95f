"""Which kind of thing must be there before which, and where each kind lies on the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, Protocol, TypeVar

#: Kind → the kinds that must be written before it. A note that a thing is ours is kept in KV.
AFTER: Final[Mapping[str, tuple[str, ...]]] = {
    "mount": (),
    "kv-config": ("mount",),
    "policy": ("kv-config",),
    "transit-key": ("kv-config",),
    "secret-metadata": ("kv-config",),
    "approle": ("policy",),
    "userpass": ("policy", "transit-key"),
    "jwt-config": ("mount",),
    "jwt-role": ("policy", "jwt-config"),
    "kubernetes-config": ("transit-key",),
    "kubernetes-role": ("policy", "kubernetes-config"),
    "cert-role": ("policy",),
    "oidc-config": ("transit-key",),
    "oidc-role": ("oidc-config",),
    "group": ("policy",),
    "user-lockout": ("mount",),
    "rate-limit": ("kv-config",),
    "password-policy": ("kv-config",),
    "database-connection": ("transit-key", "password-policy"),
    "database-role": ("database-connection",),
    "static-role": ("database-connection", "secret-metadata"),
    "adopted-secret": ("secret-metadata", "static-role"),
    "secret-value": ("secret-metadata",),
    "derived-secret": ("secret-value", "adopted-secret"),
}

#: Kinds that ``--prune`` may delete → the API path that lists them; each is at <path>/<name>.
PRUNABLE: Final[Mapping[str, str]] = {
    "approle": "auth/approle/role",
    "userpass": "auth/userpass/users",
    "jwt-role": "auth/jwt/role",
    "kubernetes-role": "auth/kubernetes/role",
    "cert-role": "auth/cert/certs",
    "oidc-role": "auth/oidc/role",
    "group": "identity/group/name",
    "database-role": "database/roles",
    "static-role": "database/static-roles",
    "database-connection": "database/config",
    "rate-limit": "sys/quotas/rate-limit",
    "password-policy": "sys/policies/password",
    "policy": "sys/policies/acl",
    "transit-key": "transit/keys",
}

#: Kinds whose members depend on each other: written one by one, in the order given.
ONE_BY_ONE: Final = frozenset(("derived-secret",))


class Ordered(Protocol):
    """What has a place in the order."""

    @property
    def kind(self) -> str:
        """A key of :data:`AFTER`."""
        ...

    @property
    def removed(self) -> bool:
        """Whether it is taken away, which happens last and the other way round."""
        ...


_T = TypeVar("_T", bound=Ordered)


def waves(items: Iterable[_T]) -> list[list[_T]]:
    """*items* in groups; those of one group may be written at the same time."""
    found: defaultdict[tuple[int, int], list[_T]] = defaultdict(list)
    for position, item in enumerate(items):
        rank = 2 * len(AFTER) - level(item.kind) if item.removed else level(item.kind)
        found[rank, position if item.kind in ONE_BY_ONE else 0].append(item)
    return [found[key] for key in sorted(found)]


@cache
def level(kind: str) -> int:
    """How many kinds must come before *kind*, at most, one after the other."""
    return max((1 + level(other) for other in AFTER[kind]), default=0)
