"""Policy capabilities that each operation needs.

The table :data:`OPERATIONS` is the only place that maps an operation to its path and capability.
The rendered policies, their coverage and the hint in a 403 all read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import APPROLE_MOUNT, DATABASE_MOUNT, KV_MOUNT, TRANSIT_MOUNT

#: The prefix of the paths whose response contains a lease.
LEASE_PREFIX = f"{DATABASE_MOUNT}/creds/"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One capability on one API path, without the leading ``v1/``."""

    path: str
    capability: str

    def policy_rule(self) -> str:
        """Return the policy rule that grants it."""
        return f'path "{self.path}" {{ capabilities = ["{self.capability}"] }}'


#: Operation → path template and capability. ``{name}`` is the full name below the mount, as
#: ``Scope.secret``, ``Scope.key`` or ``Scope.database_role`` returns it, or an audit device.
OPERATIONS: dict[str, Need] = {
    "read-secret": Need(f"{KV_MOUNT}/data/{{name}}", "read"),
    "encrypt": Need(f"{TRANSIT_MOUNT}/encrypt/{{name}}", "update"),
    "decrypt": Need(f"{TRANSIT_MOUNT}/decrypt/{{name}}", "update"),
    "rewrap": Need(f"{TRANSIT_MOUNT}/rewrap/{{name}}", "update"),
    "lease-database-user": Need(f"{DATABASE_MOUNT}/creds/{{name}}", "read"),
    "hash-for-audit": Need("sys/audit-hash/{name}", "update"),
    "read-static-user": Need(f"{DATABASE_MOUNT}/static-creds/{{name}}", "read"),
    "issue-secret-id": Need(f"auth/{APPROLE_MOUNT}/role/{{name}}/secret-id", "update"),
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


def need(operation: str, name: str) -> Need:
    """Return the path and capability that *operation* needs.

    Args:
        operation: A key of :data:`OPERATIONS`.
        name: Replaces ``{name}`` in its path.

    """
    template = OPERATIONS[operation]
    return Need(template.path.format(name=name), template.capability)


#: HTTP method → capabilities for a path that is not in :data:`OPERATIONS`. A POST to a path that
#: does not exist yet needs "create".
_CAPABILITIES = {"GET": ("read",), "POST": ("create", "update"), "LIST": ("list",)}


def policy_rule(method: str, path: str) -> str:
    """Return the policy rule that a request needs.

    Args:
        method: GET, POST, LIST or DELETE.
        path: API path without ``v1/``; a query is ignored.

    """
    path = path.partition("?")[0]
    known = {need.capability for need in _needs() if _matches(need.path, path)}
    capabilities = [each for each in _CAPABILITIES.get(method, ("delete",)) if each in known]
    shown = ", ".join(
        f'"{each}"' for each in capabilities or _CAPABILITIES.get(method, ("delete",))
    )
    return f'path "{path}" {{ capabilities = [{shown}] }}'


def _needs() -> tuple[Need, ...]:
    return (*OPERATIONS.values(), *IMPLIED)


def _matches(template: str, path: str) -> bool:
    """Return whether *path* is *template* with some name in place of ``{name}``."""
    before, name, after = template.partition("{name}")
    if not name:
        return path == template
    return path.startswith(before) and path.endswith(after) and len(path) > len(before + after)
