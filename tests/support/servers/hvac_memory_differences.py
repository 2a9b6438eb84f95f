"""Calls of hvac that differ on the server in memory. A call that it learns leaves its list.

``docs/howto/Hvac.md`` has the same calls, as :func:`rows` returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

#: Calls that it refuses, or that need the result of one that it refuses.
REFUSED: Final = frozenset(
    line.strip()
    for line in """
    sys.enable_secrets_engine kv v1
    kv.v1.create_or_update_secret
    kv.v1.create_or_update_secret PUT
    kv.v1.read_secret
    kv.v1.read_secret absent
    kv.v1.list_secrets
    kv.v1.delete_secret
    transit.trim_key
    transit.generate_random_bytes
    transit.hash_data
    transit.export_key
    transit.backup_key
    transit.restore_key
    sys.enable_secrets_engine database
    database.configure
    database.read_connection
    database.list_connections
    database.reset_connection
    database.create_role
    database.read_role
    database.list_roles
    database.create_static_role
    database.read_static_role
    database.list_static_roles
    database.rotate_root_credentials
    database.delete_static_role
    database.delete_role
    database.delete_connection
    token.tidy
    sys.read_health_status GET
    sys.tune_mount_configuration
    sys.enable_secrets_engine
    sys.move_backend
    sys.enable_auth_method
    sys.tune_auth_method
    sys.create_or_update_quota
    sys.read_quota
    sys.list_quotas
    sys.delete_quota
    sys.create_namespace
    sys.list_namespaces
    sys.delete_namespace
    sys.get_encryption_key_status
    sys.rotate_encryption_key
    sys.read_root_generation_progress
    sys.read_rekey_progress
    sys.read_raft_config
    sys.take_raft_snapshot
    sys.step_down
    sys.initialize
    sys.disable_audit_device
    sys.start_root_token_generation
    sys.generate_root
    sys.cancel_root_generation
    sys.start_rekey
    sys.rekey
    sys.rekey_multi
    sys.cancel_rekey
    sys.read_backup_keys
    sys.read_rekey_verify_progress
    sys.rekey_verify
    sys.rekey_verify_multi
    sys.cancel_rekey_verify
    sys.join_raft_cluster
    sys.remove_raft_node
    sys.restore_raft_snapshot
    sys.force_restore_raft_snapshot
    sys.create_or_update_raft_auto_snapshot_config
    sys.read_raft_auto_snapshot_config
    sys.read_raft_auto_snapshot_status
    sys.list_raft_auto_snapshot_configs
    sys.delete_raft_auto_snapshot_config
    sys.create_or_update_rgp_policy
    sys.read_rgp_policy
    sys.list_rgp_policies
    sys.delete_rgp_policy
    sys.create_or_update_egp_policy
    sys.read_egp_policy
    sys.list_egp_policies
    sys.delete_egp_policy
    """.strip().splitlines()
)
#: Calls whose result has other fields, or other values in them.
CHANGED: Final = frozenset(
    line.strip()
    for line in """
    sys.enable_secrets_engine kv
    kv.v2.read_secret_metadata
    sys.enable_secrets_engine transit
    database.get_static_credentials
    sys.read_lease
    sys.enable_auth_method approle
    approle.generate_secret_id wrapped
    sys.read_seal_status
    sys.list_mounted_secrets_engines
    sys.read_auth_method_tuning
    sys.list_enabled_audit_devices
    sys.calculate_hash
    """.strip().splitlines()
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
