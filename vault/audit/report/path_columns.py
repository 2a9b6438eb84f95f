"""SQL of what a path is: its engine, the object below the mount, and what was done with it."""

from __future__ import annotations

from typing import Final

from app_integration.mounts import Mounts
from vault.reconcile.resources.ownership import FOLDER

#: Operations of the Transit engine that use a key.
USES: Final = ("encrypt", "decrypt", "rewrap", "hmac", "sign", "verify", "datakey")
#: Paths that no declaration moves.
_FIXED: Final = {"system": "sys/", "token": "auth/token/", "identity": "identity/"}
_USES = ", ".join(f"'{use}'" for use in USES)

#: Columns over ``path``, ``operation``, ``mount_type``, ``mount_point``, ``is_login`` and those of
#: the table ``engines``. Each may use those before it.
_LAYERS: Final = (
    """
    coalesce(engines.engine, mount_type, '') AS engine, engines.engine IS NOT NULL AS is_own,
    CASE WHEN engines.prefix IS NOT NULL THEN substr(path, length(engines.prefix) + 1)
        WHEN starts_with(path, mount_point) THEN substr(path, length(mount_point) + 1)
        WHEN starts_with(path, 'auth/')
            THEN substr(path, length('auth/' || split_part(path, '/', 2) || '/') + 1)
        ELSE coalesce(path, '') END AS rest
    """,
    """
    string_split(rest, '/') AS parts,
    engine = 'kv' AND parts[1] IN
        ('data', 'metadata', 'delete', 'undelete', 'destroy', 'subkeys', 'config') AS is_version_2
    """,
    """
    CASE
        WHEN engine = 'kv' AND NOT is_version_2 THEN 'data'
        WHEN engine = 'transit' AND parts[1] = 'keys' AND len(parts) > 2 THEN 'keys/' || parts[3]
        ELSE parts[1]
    END AS action,
    CASE
        WHEN engine = 'kv' AND NOT is_version_2 THEN rest
        WHEN engine = 'kv' THEN rtrim(substr(rest, length(parts[1]) + 2), '/')
        WHEN engine = 'transit' AND parts[1] IN ('datakey', 'export') THEN parts[3]
        WHEN engine IN ('transit', 'approle') THEN parts[2]
        WHEN engine = 'database' THEN substr(rest, length(parts[1]) + 2)
        WHEN engine = 'system' AND parts[1] = 'policies' THEN parts[3]
        WHEN engine = 'system' AND parts[1] = 'policy' THEN parts[2]
    END AS object,
    operation IN ('create', 'update', 'delete', 'patch') AS is_write
    """,
    f"""
    CASE
        WHEN is_login THEN 'login'
        WHEN engine = 'token' THEN 'token'
        WHEN engine = 'kv' AND action = 'data' AND operation = 'read' THEN 'read'
        WHEN engine = 'database' AND action IN ('creds', 'static-creds') THEN 'read'
        WHEN engine = 'transit' AND action IN ({_USES}) THEN 'read'
        WHEN NOT is_write THEN 'other'
        WHEN engine = 'kv' THEN 'change'
        WHEN engine = 'transit' AND starts_with(action, 'keys') THEN 'change'
        WHEN engine = 'transit' AND action IN ('restore', 'config', 'cache-config') THEN 'change'
        WHEN engine IN ('transit', 'cubbyhole') THEN 'other'
        WHEN engine = 'identity' AND action = 'lookup' THEN 'other'
        WHEN engine = 'system' AND (
            action IN ('wrapping', 'audit-hash', 'tools', 'internal')
            OR starts_with(action, 'capabilities')
            OR rest IN ('leases/renew', 'leases/revoke', 'leases/lookup', 'renew', 'revoke')
        ) THEN 'other'
        WHEN starts_with(path, 'auth/') AND parts[-1] = 'lookup' THEN 'other'
        ELSE 'change'
    END AS category,
    CASE
        WHEN engine = 'kv' AND starts_with(object, '{FOLDER}/') THEN 'record'
        WHEN engine = 'kv' THEN 'secret'
        WHEN engine = 'transit' THEN 'key'
        WHEN engine = 'database' THEN 'database'
        WHEN engine = 'system' AND action IN ('policies', 'policy') THEN 'policy'
        WHEN engine = 'system' AND action IN ('mounts', 'auth', 'remount') THEN 'mount'
        WHEN engine = 'system' AND starts_with(action, 'audit') THEN 'audit'
        WHEN engine = 'system' THEN 'system'
        WHEN engine = 'identity' THEN 'identity'
        WHEN starts_with(path, 'auth/') AND contains(rest, '/secret-id') THEN 'credential'
        WHEN starts_with(path, 'auth/') AND action IN ('users', 'map') THEN 'person'
        WHEN starts_with(path, 'auth/') THEN 'role'
        ELSE 'other'
    END AS subject
    """,
)


def engine_prefixes(mounts: Mounts) -> list[tuple[str, str]]:
    """Return the engines of a deployment, each with the beginning of its paths."""
    declared = {
        "kv": f"{mounts.kv}/",
        "transit": f"{mounts.transit}/",
        "database": f"{mounts.database}/",
        "approle": f"{mounts.auth}/",
    }
    return [*declared.items(), *_FIXED.items()]


def select_paths(table: str) -> str:
    """Return a query of *table* with the columns of its paths."""
    joined = f"{table} LEFT JOIN engines ON starts_with({table}.path, engines.prefix)"
    query = f"SELECT {table}.*, {_LAYERS[0]} FROM {joined}"
    for columns in _LAYERS[1:]:
        query = f"SELECT *, {columns} FROM ({query})"
    return query
