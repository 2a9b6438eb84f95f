"""Calls of hvac that differ on the server in memory. A call that it learns leaves its list.

``docs/howto/Hvac.md`` has the same calls, as :func:`rows` returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tests.support.servers.hvac_engine_calls import KV1
from tests.support.servers.hvac_system_calls import REFUSED_BY_SERVER


def _of(group: str, names: str) -> set[str]:
    return {f"{group}.{name}" for name in names.split()}


#: Calls that it refuses, or that need the result of one that it refuses.
REFUSED: Final = frozenset(
    KV1.keys()
    | REFUSED_BY_SERVER.keys() - {"sys.enable_audit_device"}
    | _of("transit", "trim_key generate_random_bytes hash_data export_key backup_key restore_key")
    | _of("database", "configure read_connection list_connections reset_connection create_role")
    | _of("database", "read_role list_roles create_static_role read_static_role list_static_roles")
    | _of("database", "rotate_root_credentials delete_static_role delete_role delete_connection")
    | {"sys.enable_secrets_engine database", "token.tidy", "sys.read_health_status GET"}
    | _of("sys", "tune_mount_configuration enable_secrets_engine move_backend enable_auth_method")
    | _of("sys", "tune_auth_method create_or_update_quota read_quota list_quotas delete_quota")
    | _of("sys", "create_namespace list_namespaces delete_namespace get_encryption_key_status")
    | _of("sys", "rotate_encryption_key read_root_generation_progress read_rekey_progress")
    | _of("sys", "read_raft_config take_raft_snapshot step_down")
)
#: Calls whose result has other fields, or other values in them.
CHANGED: Final = frozenset(
    {
        "sys.enable_secrets_engine kv",
        "sys.enable_secrets_engine transit",
        "sys.enable_auth_method approle",
        "kv.v2.read_secret_metadata",
        "database.get_static_credentials",
        "approle.generate_secret_id wrapped",
    }
    | _of("sys", "read_lease read_seal_status list_mounted_secrets_engines calculate_hash")
    | _of("sys", "read_auth_method_tuning list_enabled_audit_devices")
)


def rows(calls: Iterable[str]) -> Iterator[str]:
    """Yield the rows of the page's table: group, refused methods, methods with other results."""
    kept = _methods(set(calls) - REFUSED)
    refused, changed = _methods(REFUSED) - kept, _methods(CHANGED) | (_methods(REFUSED) & kept)
    for group in sorted({method.rpartition(".")[0] for method in refused | changed}):
        yield f"| `{group}` | {_cell(refused, group)} | {_cell(changed, group)} |"


def _methods(names: Iterable[str]) -> set[str]:
    """Return *names* without what distinguishes several calls of one method."""
    return {name.partition(" ")[0] for name in names}


def _cell(methods: set[str], group: str) -> str:
    own = sorted(each.rpartition(".")[2] for each in methods if each.rpartition(".")[0] == group)
    return ", ".join(f"`{each}`" for each in own) or "-"
