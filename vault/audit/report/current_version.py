"""Current version of a secret or key, by the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app_integration.mounts import Mounts
from vault.audit.report.declared_objects import DeclaredObject
from vault.reconcile.resources import ReadSession, read_data

#: Engine → path of the metadata, and the key of the version in it.
_METADATA: Final = {
    "kv": ("{kv}/metadata/{name}", "current_version"),
    "transit": ("{transit}/keys/{name}", "latest_version"),
}


def read_current_version(
    session: ReadSession, objects: Iterable[DeclaredObject], mounts: Mounts
) -> int | None:
    """Return the current version of what a name in the declaration is, None if it has none.

    No value is read.
    """
    for each in objects:
        if each.engine not in _METADATA:
            continue
        path, key = _METADATA[each.engine]
        path = path.format(kv=mounts.kv, transit=mounts.transit, name=each.server_name)
        version = (read_data(session, path) or {}).get(key)
        if type(version) is int:
            return version
    return None
