"""Policy capabilities that each operation needs.

The table :data:`OPERATIONS` is the only place that maps an operation to its path and capability.
The rendered policies, their coverage and the hint in a 403 all read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.mounts import DEFAULT_MOUNTS, Mounts


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One capability on one API path, without the leading ``v1/``."""

    path: str
    capability: str

    def policy_rule(self) -> str:
        """Return the policy rule that grants it."""
        return f'path "{self.path}" {{ capabilities = ["{self.capability}"] }}'


#: Operation → path template and capability. ``{kv}``, ``{transit}``, ``{database}`` and
#: ``{approle}`` are mounts. ``{name}`` is the full name below the mount, as ``Scope.secret``,
#: ``Scope.key`` or ``Scope.database_role`` returns it, or an audit device.
OPERATIONS: dict[str, Need] = {
    "read-secret": Need("{kv}/data/{name}", "read"),
    "encrypt": Need("{transit}/encrypt/{name}", "update"),
    "decrypt": Need("{transit}/decrypt/{name}", "update"),
    "rewrap": Need("{transit}/rewrap/{name}", "update"),
    "lease-database-user": Need("{database}/creds/{name}", "read"),
    "hash-for-audit": Need("sys/audit-hash/{name}", "update"),
    "read-static-user": Need("{database}/static-creds/{name}", "read"),
    "issue-secret-id": Need("auth/{approle}/role/{name}/secret-id", "update"),
}

#: Requests for a service's own token and leases, which the agent and the SDK send by themselves.
#: A token without the ``default`` policy needs them granted.
IMPLIED: tuple[Need, ...] = (
    Need("auth/token/lookup-self", "read"),
    Need("auth/token/renew-self", "update"),
    Need("auth/token/revoke-self", "update"),
    Need("sys/leases/renew", "update"),
    Need("sys/leases/revoke", "update"),
)


def need(operation: str, name: str, mounts: Mounts = DEFAULT_MOUNTS) -> Need:
    """Return the path and capability that *operation* needs."""
    template = OPERATIONS[operation]
    path = template.path.format(
        name=name,
        kv=mounts.kv,
        transit=mounts.transit,
        database=mounts.database,
        approle=mounts.approle,
    )
    return Need(path, template.capability)


def lease_prefix(mounts: Mounts) -> str:
    """Return the prefix of the paths whose response contains a lease."""
    return need("lease-database-user", "", mounts).path


#: HTTP method → capabilities for a path that is not in :data:`OPERATIONS`. A POST to a path that
#: does not exist yet needs "create".
_CAPABILITIES = {"GET": ("read",), "POST": ("create", "update"), "LIST": ("list",)}


def policy_rule(method: str, path: str, mounts: Mounts = DEFAULT_MOUNTS) -> str:
    """Return the policy rule that a request needs.

    *path* is without ``v1/``, and its query is ignored.
    """
    path = path.partition("?")[0]
    known = {need.capability for need in _needs(mounts) if _matches(need.path, path)}
    capabilities = [each for each in _CAPABILITIES.get(method, ("delete",)) if each in known]
    shown = ", ".join(
        f'"{each}"' for each in capabilities or _CAPABILITIES.get(method, ("delete",))
    )
    return f'path "{path}" {{ capabilities = [{shown}] }}'


def _needs(mounts: Mounts) -> tuple[Need, ...]:
    return (*(need(operation, "{name}", mounts) for operation in OPERATIONS), *IMPLIED)


def _matches(template: str, path: str) -> bool:
    """Return whether *path* is *template* with some name in place of ``{name}``."""
    before, name, after = template.partition("{name}")
    if not name:
        return path == template
    return path.startswith(before) and path.endswith(after) and len(path) > len(before + after)
