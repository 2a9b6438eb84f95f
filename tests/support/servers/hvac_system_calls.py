"""Calls of hvac for AppRole, tokens, the system backend, and of the client itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from hvac.exceptions import VaultError

from tests.support.servers.hvac_calls import Call, From, call

POLICY: Final = 'path "secret/data/*" { capabilities = ["read"] }'
SECRET_ID: Final = "a-secret-id-of-our-own"

APPROLE: Final[Mapping[str, Call]] = {
    "sys.enable_auth_method approle": call("approle"),
    "approle.create_or_update_approle": call("shop", token_policies=["shop"], token_ttl="1h"),
    "approle.list_roles": call(),
    "approle.read_role": call("shop"),
    "approle.read_role absent": call("nothing"),
    "approle.update_role_id": call("shop", "the-role"),
    "approle.read_role_id": call("shop", keep="role"),
    "approle.generate_secret_id": call("shop", metadata={"host": "one"}, keep="secret_id"),
    "approle.generate_secret_id wrapped": call("shop", wrap_ttl="60s"),
    "approle.create_custom_secret_id": call("shop", SECRET_ID),
    "approle.read_secret_id": call("shop", SECRET_ID),
    "approle.list_secret_id_accessors": lambda c, _: len(
        c.auth.approle.list_secret_id_accessors("shop")["data"]["keys"]
    ),
    "approle.read_secret_id_accessor": call("shop", From("secret_id.data.secret_id_accessor")),
    "approle.login": call(
        From("role.data.role_id"), From("secret_id.data.secret_id"), use_token=False, keep="login"
    ),
    "approle.login wrong": call("x", "y", use_token=False),
    "approle.login use_token": lambda c, s: _replaced(
        c,
        lambda: c.auth.approle.login(
            s["role"]["data"]["role_id"], s["secret_id"]["data"]["secret_id"]
        ),
    ),
    "approle.destroy_secret_id_accessor": call("shop", From("secret_id.data.secret_id_accessor")),
    "approle.destroy_secret_id": call("shop", SECRET_ID),
    "approle.delete_role": call("shop"),
}

TOKEN: Final[Mapping[str, Call]] = {
    "token.create_or_update_role": call("job", allowed_policies="shop"),
    "token.read_role": call("job"),
    "token.list_roles": call(),
    "token.create": call(policies=["shop"], ttl="1h", meta={"of": "job"}, keep="token"),
    "token.create in role": call(role_name="job", policies=["shop"]),
    "token.create_orphan": call(policies=["shop"], ttl="1h", keep="orphan"),
    "token.create held": call(policies=["root"], meta={"of": "a test"}, keep="held"),
    "token.list_accessors": lambda c, _: sorted(c.auth.token.list_accessors()["data"]),
    "token.lookup": call(From("token.auth.client_token")),
    "token.lookup unknown": call("s.unknown"),
    "token.lookup_self": lambda c, _: c.auth.token.lookup_self()["data"]["policies"],
    "token.lookup_accessor": call(From("token.auth.accessor")),
    "token.renew": call(From("token.auth.client_token"), increment="2h"),
    "token.renew_accessor": call(From("token.auth.accessor")),
    "token.renew_self": lambda c, s: _with_token(c, s["token"], c.auth.token.renew_self),
    "token.revoke_accessor": call(From("orphan.auth.accessor")),
    "token.revoke_and_orphan_children": call(From("login.auth.client_token")),
    "token.revoke_self": lambda c, s: _with_token(c, s["token"], c.auth.token.revoke_self),
    "token.revoke": call(From("token.auth.client_token")),
    "token.delete_role": call("job"),
    "token.tidy": call(),
}

SYSTEM: Final[Mapping[str, Call]] = {
    "sys.read_health_status": call(),
    "sys.read_health_status GET": call(method="GET", active_code=299),
    "sys.read_init_status": call(),
    "sys.is_initialized": call(),
    "sys.is_sealed": call(),
    "sys.read_seal_status": lambda c, _: sorted(c.sys.read_seal_status()),
    "sys.read_leader_status": call(),
    "sys.create_or_update_policy": call("shop", POLICY),
    "sys.read_policy": call("shop"),
    "sys.list_policies": call(),
    "sys.delete_policy": call("shop"),
    "sys.create_or_update_acl_policy": call("shop", POLICY),
    "sys.read_acl_policy": call("shop"),
    "sys.list_acl_policies": call(),
    "sys.delete_acl_policy": call("shop"),
    "sys.get_capabilities": call(["secret/data/x"]),
    "sys.list_mounted_secrets_engines": lambda c, _: sorted(
        c.sys.list_mounted_secrets_engines()["data"]
    ),
    "sys.retrieve_mount_option": call("secret", "version"),
    "sys.read_mount_configuration": call("secret"),
    "sys.tune_mount_configuration": call("secret", default_lease_ttl="2h"),
    "sys.enable_secrets_engine": call("kv", "moved"),
    "sys.move_backend": call("moved", "away"),
    "sys.disable_secrets_engine": call("one"),
    "sys.list_auth_methods": lambda c, _: sorted(c.sys.list_auth_methods()["data"]),
    "sys.enable_auth_method": call("userpass", path="people"),
    "sys.tune_auth_method": call("people", default_lease_ttl="2h"),
    "sys.read_auth_method_tuning": call("people"),
    "sys.disable_auth_method": call("people"),
    "sys.list_enabled_audit_devices": call(),
    "sys.calculate_hash": call("file", "text"),
    "sys.wrap": call({"key": "value"}, ttl=60, keep="wrapped"),
    "sys.unwrap": call(From("wrapped.wrap_info.token")),
    "sys.unwrap twice": call(From("wrapped.wrap_info.token")),
    "sys.create_or_update_quota": call("all", rate=10_000),
    "sys.read_quota": call("all"),
    "sys.list_quotas": call(),
    "sys.delete_quota": call("all"),
    "sys.create_namespace": call("team"),
    "sys.list_namespaces": lambda c, _: sorted(c.sys.list_namespaces()["data"]["keys"]),
    "sys.delete_namespace": call("team"),
    "sys.get_encryption_key_status": call(),
    "sys.rotate_encryption_key": call(),
    "sys.read_root_generation_progress": call(),
    "sys.read_rekey_progress": call(),
    "sys.read_raft_config": call(),
    "sys.take_raft_snapshot": call(),
    "sys.step_down": call(),
}

#: Calls that this server refuses, or that would change it for good: only their errors are compared.
REFUSED_BY_SERVER: Final[Mapping[str, Call]] = {
    "sys.initialize": call(1, 1),
    "sys.enable_audit_device": call("file"),
    "sys.disable_audit_device": call("file"),
    "sys.start_root_token_generation": call(),
    "sys.generate_root": call("AAAA", "x"),
    "sys.cancel_root_generation": call(),
    "sys.start_rekey": call(1, 1),
    "sys.rekey": call("AAAA", "x"),
    "sys.rekey_multi": call(["AAAA"], "x"),
    "sys.cancel_rekey": call(),
    "sys.read_backup_keys": call(),
    "sys.read_rekey_verify_progress": call(),
    "sys.rekey_verify": call("AAAA", "x"),
    "sys.rekey_verify_multi": call(["AAAA"], "x"),
    "sys.cancel_rekey_verify": call(),
    "sys.join_raft_cluster": call("http://127.0.0.1:1"),
    "sys.remove_raft_node": call("x"),
    "sys.restore_raft_snapshot": call(b"\x1f\x8b"),
    "sys.force_restore_raft_snapshot": call(b"\x1f\x8b"),
    "sys.create_or_update_raft_auto_snapshot_config": call(
        "x", interval="1h", storage_type="local"
    ),
    "sys.read_raft_auto_snapshot_config": call("x"),
    "sys.read_raft_auto_snapshot_status": call("x"),
    "sys.list_raft_auto_snapshot_configs": call(),
    "sys.delete_raft_auto_snapshot_config": call("x"),
    "sys.create_or_update_rgp_policy": call("x", POLICY, "advisory"),
    "sys.read_rgp_policy": call("x"),
    "sys.list_rgp_policies": call(),
    "sys.delete_rgp_policy": call("x"),
    "sys.create_or_update_egp_policy": call("x", POLICY, "advisory", ["secret/*"]),
    "sys.read_egp_policy": call("x"),
    "sys.list_egp_policies": call(),
    "sys.delete_egp_policy": call("x"),
}

CLIENT: Final[Mapping[str, Call]] = {
    "client.write": call("secret/data/written", data={"password": "one"}),
    "client.write_data": call("secret/data/written", data={"data": {"password": "two"}}),
    "client.read": call("secret/data/written"),
    "client.read wrapped": call("secret/data/written", wrap_ttl="60s"),
    "client.read absent": call("secret/data/nothing"),
    "client.list": call("secret/metadata"),
    "client.list absent": call("secret/metadata/nowhere"),
    "client.delete": call("secret/data/written"),
    "client.lookup_token": lambda c, _: c.lookup_token()["data"]["policies"],
    "client.is_authenticated": call(),
    "client.seal_status": lambda c, _: c.seal_status["sealed"],
    "client.get_policy": lambda c, _: c.get_policy("default") is not None,
    "client.get_policy absent": call("nothing"),
}

#: Calls whose result a session's token changes; see "Calls that differ" in the how-to.
OWN_TOKEN: Final[Mapping[str, Call]] = {
    "client.token set": lambda c, s: (
        c.lookup_token()["data"]["accessor"]
        != _with_token(c, s["held"], lambda: c.lookup_token()["data"]["accessor"])
    ),
    "client.logout": lambda c, _: _then_authenticated(c, c.logout),
    "client.logout revoke_token": lambda c, s: _with_token(
        c, s["held"], lambda: c.logout(revoke_token=True)
    ),
    "client.lookup_token revoked": lambda c, s: _with_token(c, s["held"], c.lookup_token),
    "client.is_authenticated revoked": lambda c, s: _with_token(c, s["held"], c.is_authenticated),
    "sys.unwrap by client.token": lambda c, _: _with_token(
        c, {"auth": {"client_token": c.sys.wrap({"a": "b"})["wrap_info"]["token"]}}, c.sys.unwrap
    ),
    "client.auth_cubbyhole": lambda c, _: _replaced(
        c,
        lambda: c.auth_cubbyhole(
            c.auth.token.create(policies=["shop"], wrap_ttl="60s")["wrap_info"]["token"]
        ),
    ),
    "error of a call": lambda c, _: _error_text(
        lambda: c.secrets.transit.decrypt_data("own", ciphertext="vault:v7:AAAA")
    ),
}

#: The last calls, after which the server is sealed.
SEALING: Final[Mapping[str, Call]] = {
    "sys.seal": call(),
    "sys.is_sealed sealed": call(),
    "sys.read_health_status sealed": call(method="GET"),
    "kv.v2.read_secret sealed": call("shop/mail", raise_on_deleted_version=True),
    "sys.submit_unseal_keys": call(["AAAA"]),
    "sys.submit_unseal_key": call("AAAA"),
}


@contextmanager
def _token_restored(client: Any) -> Iterator[str]:
    """Yield the client's token, and set it again after the block."""
    before = client.token
    try:
        yield before
    finally:
        client.token = before


def _with_token(client: Any, created: Any, send: Callable[[], Any]) -> Any:
    """Return the result of *send* with the token in the response *created*."""
    with _token_restored(client):
        client.token = created["auth"]["client_token"]
        return send()


def _then_authenticated(client: Any, send: Callable[[], Any]) -> bool:
    with _token_restored(client):
        send()
        return bool(client.is_authenticated())


def _replaced(client: Any, send: Callable[[], Any]) -> bool:
    """Return whether *send* leads to another token of the client."""
    with _token_restored(client) as before:
        send()
        return bool(client.token != before)


def _error_text(send: Callable[[], Any]) -> Any:
    try:
        send()
    except VaultError as error:
        return error.errors
    return None
