"""Dependencies between kinds of resource, and the API path of each prunable kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, Protocol, TypeVar

from app_integration.mounts import Mounts

#: Kind → the kinds that must be written before it. Ownership metadata is in KV, so that most kinds
#: depend on ``kv-config``.
DEPENDENCIES: Final[Mapping[str, tuple[str, ...]]] = {
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
    "audited-header": (),
    "rate-limit": ("kv-config",),
    "password-policy": ("kv-config",),
    "database-connection": ("transit-key", "password-policy"),
    "database-role": ("database-connection",),
    "static-role": ("database-connection", "secret-metadata"),
    "adopted-secret": ("secret-metadata", "static-role"),
    "secret-value": ("secret-metadata",),
    "derived-secret": ("secret-value", "adopted-secret"),
    "secret-rotation": ("secret-value",),
    "kms-key": (),
    "iam-policy": (),
    "log-group": (),
    "metric-filter": ("log-group",),
    "alarm": ("metric-filter",),
    "dashboard": ("alarm",),
}

#: Kinds that ``--prune`` may delete → the API path that lists them, with the mounts as fields; each
#: object is at <path>/<name>.
PRUNABLE: Final[Mapping[str, str]] = {
    "approle": "{auth}/role",
    "userpass": "auth/userpass/users",
    "jwt-role": "auth/jwt/role",
    "kubernetes-role": "auth/kubernetes/role",
    "cert-role": "auth/cert/certs",
    "oidc-role": "auth/oidc/role",
    "group": "identity/group/name",
    "database-role": "{database}/roles",
    "static-role": "{database}/static-roles",
    "database-connection": "{database}/config",
    "rate-limit": "sys/quotas/rate-limit",
    "password-policy": "sys/policies/password",
    "policy": "sys/policies/acl",
    "transit-key": "{transit}/keys",
}

#: Kinds whose members depend on each other, so that they are written one by one in the given order.
SEQUENTIAL: Final = frozenset(("derived-secret",))


def list_path(kind: str, mounts: Mounts) -> str:
    """Return the API path that lists the objects of a prunable *kind*."""
    return PRUNABLE[kind].format(auth=mounts.auth, database=mounts.database, transit=mounts.transit)


class Orderable(Protocol):
    """An item with a place in the order of writes."""

    @property
    def kind(self) -> str:
        """Return the kind, a key of :data:`DEPENDENCIES`."""
        ...

    @property
    def is_deletion(self) -> bool:
        """Return whether the item is deleted. Deletions come last, in reverse order."""
        ...


_T = TypeVar("_T", bound=Orderable)


def group_into_waves(items: Iterable[_T]) -> list[list[_T]]:
    """Return *items* in groups. The items of one group may be written concurrently.

    Kinds come after their dependencies. Deletions come after all writes, in reverse order.
    """
    found: defaultdict[tuple[int, int], list[_T]] = defaultdict(list)
    for position, item in enumerate(items):
        rank = (
            2 * len(DEPENDENCIES) - dependency_depth(item.kind)
            if item.is_deletion
            else dependency_depth(item.kind)
        )
        found[rank, position if item.kind in SEQUENTIAL else 0].append(item)
    return [found[key] for key in sorted(found)]


@cache
def dependency_depth(kind: str) -> int:
    """Return the length of the longest chain of kinds that *kind* depends on."""
    return max((1 + dependency_depth(other) for other in DEPENDENCIES[kind]), default=0)
