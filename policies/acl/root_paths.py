"""Paths of the mounts that every server has, for which a token needs ``sudo`` as well.

A mount that is made later may have such paths, too; which, depends on its type. A policy does not
say what is mounted, so that those are not known here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

_SYS: Final = (
    *("auth/*", "remount", "audit", "audit/*", "raw", "raw/*", "rotate", "rotate/keyring"),
    *("rotate/root", "config/cors", "config/auditing/*", "config/ui/headers/*"),
    *("plugins/catalog/*", "revoke-prefix/*", "revoke-force/*", "leases/revoke-prefix/*"),
    *("leases/revoke-force/*", "leases/lookup/*", "leases", "internal/inspect/*"),
)
_TOKEN: Final = ("revoke-orphan/*", "accessors*")
#: Their patterns.
PATTERNS: Final = (*(f"sys/{each}" for each in _SYS), *(f"auth/token/{each}" for each in _TOKEN))
_EXACT: Final = frozenset(path for path in PATTERNS if not path.endswith("*"))
_PREFIXES: Final = tuple(path[:-1] for path in PATTERNS if path.endswith("*"))
_MOUNTS: Final = ("sys/", "auth/token/")


def needs_sudo(path: str, namespaces: Collection[str]) -> bool:
    """Return whether *path* needs ``sudo`` as well, in the root namespace or in one of these."""
    for namespace in namespaces:
        path = path.removeprefix(namespace) if path.startswith(namespace) else path
    if not path.startswith(_MOUNTS):
        return False
    return path in _EXACT or path.startswith(_PREFIXES)


def is_known(path: str) -> bool:
    """Return whether it is known of *path* if it needs ``sudo``, as no mount is to be asked."""
    return path.startswith(_MOUNTS)
