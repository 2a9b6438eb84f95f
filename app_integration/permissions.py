"""What each operation needs of a policy: (path, capability).

The table :data:`OPERATIONS` is the one place that says which (path, capability) an operation
takes; policies, coverage and the hint in a 403 all read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import APPROLE_MOUNT, DATABASE_MOUNT, KV_MOUNT, TRANSIT_MOUNT

#: What is read below it is leased.
LEASING = f"{DATABASE_MOUNT}/creds/"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One capability on one API path (no leading ``v1/``)."""

    path: str
    capability: str

    def rule(self) -> str:
        """The policy rule that grants it."""
        return f'path "{self.path}" {{ capabilities = ["{self.capability}"] }}'


#: Operation → path template and capability. ``{name}`` is the full name of the thing below its
#: mount: what ``Scope.secret``, ``Scope.key`` or ``Scope.database_role`` gives, or an
#: audit device.
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

#: What a logged-in service asks for besides: its own token and its own leases. The agent and the
#: SDK send these by themselves, and a token without the ``default`` policy needs them granted.
IMPLIED: tuple[Need, ...] = (
    Need("auth/token/lookup-self", "read"),
    Need("auth/token/renew-self", "update"),
    Need("auth/token/revoke-self", "update"),
    Need("sys/leases/renew", "update"),
    Need("sys/leases/revoke", "update"),
)


def need(operation: str, name: str) -> Need:
    """What *operation* on *name* takes; *operation* is a key of :data:`OPERATIONS`."""
    template = OPERATIONS[operation]
    return Need(template.path.format(name=name), template.capability)


#: What a request takes beyond :data:`OPERATIONS`. A POST to what isn't there yet takes "create".
_CAPABILITIES = {"GET": ("read",), "POST": ("create", "update"), "LIST": ("list",)}


def policy_rule(method: str, path: str) -> str:
    """The policy rule that a request takes: *method* on *path*, without ``v1/``."""
    path = path.partition("?")[0]
    known = {need.capability for need in _needs() if _fits(need.path, path)}
    capabilities = [each for each in _CAPABILITIES.get(method, ("delete",)) if each in known]
    shown = ", ".join(
        f'"{each}"' for each in capabilities or _CAPABILITIES.get(method, ("delete",))
    )
    return f'path "{path}" {{ capabilities = [{shown}] }}'


def _needs() -> tuple[Need, ...]:
    return (*OPERATIONS.values(), *IMPLIED)


def _fits(template: str, path: str) -> bool:
    """Whether *path* is *template* with some name in it."""
    before, name, after = template.partition("{name}")
    if not name:
        return path == template
    return path.startswith(before) and path.endswith(after) and len(path) > len(before + after)
