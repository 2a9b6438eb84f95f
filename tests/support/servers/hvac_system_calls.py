"""Calls of hvac for AppRole, tokens, the system backend, and of the client itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hvac.exceptions import VaultError

from tests.support.servers.hvac_calls import Call, kept

POLICY: Final = 'path "secret/data/*" { capabilities = ["read"] }'
SECRET_ID: Final = "a-secret-id-of-our-own"

APPROLE: Final[Mapping[str, Call]] = {
    "sys.enable_auth_method approle": lambda c, _: c.sys.enable_auth_method("approle"),
    "approle.create_or_update_approle": lambda c, _: c.auth.approle.create_or_update_approle(
        "shop", token_policies=["shop"], token_ttl="1h"
    ),
    "approle.list_roles": lambda c, _: c.auth.approle.list_roles(),
    "approle.read_role": lambda c, _: c.auth.approle.read_role("shop"),
    "approle.read_role absent": lambda c, _: c.auth.approle.read_role("nothing"),
    "approle.update_role_id": lambda c, _: c.auth.approle.update_role_id("shop", "the-role"),
    "approle.read_role_id": kept("role", lambda c, _: c.auth.approle.read_role_id("shop")),
    "approle.generate_secret_id": kept(
        "secret_id",
        lambda c, _: c.auth.approle.generate_secret_id("shop", metadata={"host": "one"}),
    ),
    "approle.generate_secret_id wrapped": lambda c, _: c.auth.approle.generate_secret_id(
        "shop", wrap_ttl="60s"
    ),
    "approle.create_custom_secret_id": lambda c, _: c.auth.approle.create_custom_secret_id(
        "shop", SECRET_ID
    ),
    "approle.read_secret_id": lambda c, _: c.auth.approle.read_secret_id("shop", SECRET_ID),
    "approle.list_secret_id_accessors": lambda c, _: len(
        c.auth.approle.list_secret_id_accessors("shop")["data"]["keys"]
    ),
    "approle.read_secret_id_accessor": lambda c, s: c.auth.approle.read_secret_id_accessor(
        "shop", s["secret_id"]["data"]["secret_id_accessor"]
    ),
    "approle.login": kept(
        "login",
        lambda c, s: c.auth.approle.login(
            s["role"]["data"]["role_id"], s["secret_id"]["data"]["secret_id"], use_token=False
        ),
    ),
    "approle.login wrong": lambda c, _: c.auth.approle.login("x", "y", use_token=False),
    "approle.login use_token": lambda c, s: _replaced(
        c,
        lambda: c.auth.approle.login(
            s["role"]["data"]["role_id"], s["secret_id"]["data"]["secret_id"]
        ),
    ),
    "approle.destroy_secret_id_accessor": lambda c, s: c.auth.approle.destroy_secret_id_accessor(
        "shop", s["secret_id"]["data"]["secret_id_accessor"]
    ),
    "approle.destroy_secret_id": lambda c, _: c.auth.approle.destroy_secret_id("shop", SECRET_ID),
    "approle.delete_role": lambda c, _: c.auth.approle.delete_role("shop"),
}

TOKEN: Final[Mapping[str, Call]] = {
    "token.create_or_update_role": lambda c, _: c.auth.token.create_or_update_role(
        "job", allowed_policies="shop"
    ),
    "token.read_role": lambda c, _: c.auth.token.read_role("job"),
    "token.list_roles": lambda c, _: c.auth.token.list_roles(),
    "token.create": kept(
        "token", lambda c, _: c.auth.token.create(policies=["shop"], ttl="1h", meta={"of": "job"})
    ),
    "token.create in role": lambda c, _: c.auth.token.create(role_name="job", policies=["shop"]),
    "token.create_orphan": kept(
        "orphan", lambda c, _: c.auth.token.create_orphan(policies=["shop"], ttl="1h")
    ),
    "token.create held": kept(
        "held", lambda c, _: c.auth.token.create(policies=["root"], meta={"of": "a test"})
    ),
    "token.list_accessors": lambda c, _: sorted(c.auth.token.list_accessors()["data"]),
    "token.lookup": lambda c, s: c.auth.token.lookup(s["token"]["auth"]["client_token"]),
    "token.lookup unknown": lambda c, _: c.auth.token.lookup("s.unknown"),
    "token.lookup_self": lambda c, _: c.auth.token.lookup_self()["data"]["policies"],
    "token.lookup_accessor": lambda c, s: c.auth.token.lookup_accessor(
        s["token"]["auth"]["accessor"]
    ),
    "token.renew": lambda c, s: c.auth.token.renew(
        s["token"]["auth"]["client_token"], increment="2h"
    ),
    "token.renew_accessor": lambda c, s: c.auth.token.renew_accessor(
        s["token"]["auth"]["accessor"]
    ),
    "token.renew_self": lambda c, s: _with_token(c, s["token"], c.auth.token.renew_self),
    "token.revoke_accessor": lambda c, s: c.auth.token.revoke_accessor(
        s["orphan"]["auth"]["accessor"]
    ),
    "token.revoke_and_orphan_children": lambda c, s: c.auth.token.revoke_and_orphan_children(
        s["login"]["auth"]["client_token"]
    ),
    "token.revoke_self": lambda c, s: _with_token(c, s["token"], c.auth.token.revoke_self),
    "token.revoke": lambda c, s: c.auth.token.revoke(s["token"]["auth"]["client_token"]),
    "token.delete_role": lambda c, _: c.auth.token.delete_role("job"),
    "token.tidy": lambda c, _: c.auth.token.tidy(),
}

SYSTEM: Final[Mapping[str, Call]] = {
    "sys.read_health_status": lambda c, _: c.sys.read_health_status(),
    "sys.read_health_status GET": lambda c, _: c.sys.read_health_status(
        method="GET", active_code=299
    ),
    "sys.read_init_status": lambda c, _: c.sys.read_init_status(),
    "sys.is_initialized": lambda c, _: c.sys.is_initialized(),
    "sys.is_sealed": lambda c, _: c.sys.is_sealed(),
    "sys.read_seal_status": lambda c, _: sorted(c.sys.read_seal_status()),
    "sys.read_leader_status": lambda c, _: c.sys.read_leader_status(),
    "sys.create_or_update_policy": lambda c, _: c.sys.create_or_update_policy("shop", POLICY),
    "sys.read_policy": lambda c, _: c.sys.read_policy("shop"),
    "sys.list_policies": lambda c, _: c.sys.list_policies(),
    "sys.delete_policy": lambda c, _: c.sys.delete_policy("shop"),
    "sys.create_or_update_acl_policy": lambda c, _: c.sys.create_or_update_acl_policy(
        "shop", POLICY
    ),
    "sys.read_acl_policy": lambda c, _: c.sys.read_acl_policy("shop"),
    "sys.list_acl_policies": lambda c, _: c.sys.list_acl_policies(),
    "sys.delete_acl_policy": lambda c, _: c.sys.delete_acl_policy("shop"),
    "sys.get_capabilities": lambda c, _: c.sys.get_capabilities(["secret/data/x"]),
    "sys.list_mounted_secrets_engines": lambda c, _: sorted(
        c.sys.list_mounted_secrets_engines()["data"]
    ),
    "sys.retrieve_mount_option": lambda c, _: c.sys.retrieve_mount_option("secret", "version"),
    "sys.read_mount_configuration": lambda c, _: c.sys.read_mount_configuration("secret"),
    "sys.tune_mount_configuration": lambda c, _: c.sys.tune_mount_configuration(
        "secret", default_lease_ttl="2h"
    ),
    "sys.enable_secrets_engine": lambda c, _: c.sys.enable_secrets_engine("kv", "moved"),
    "sys.move_backend": lambda c, _: c.sys.move_backend("moved", "away"),
    "sys.disable_secrets_engine": lambda c, _: c.sys.disable_secrets_engine("one"),
    "sys.list_auth_methods": lambda c, _: sorted(c.sys.list_auth_methods()["data"]),
    "sys.enable_auth_method": lambda c, _: c.sys.enable_auth_method("userpass", path="people"),
    "sys.tune_auth_method": lambda c, _: c.sys.tune_auth_method("people", default_lease_ttl="2h"),
    "sys.read_auth_method_tuning": lambda c, _: c.sys.read_auth_method_tuning("people"),
    "sys.disable_auth_method": lambda c, _: c.sys.disable_auth_method("people"),
    "sys.list_enabled_audit_devices": lambda c, _: c.sys.list_enabled_audit_devices(),
    "sys.calculate_hash": lambda c, _: c.sys.calculate_hash("file", "text"),
    "sys.wrap": kept("wrapped", lambda c, _: c.sys.wrap({"key": "value"}, ttl=60)),
    "sys.unwrap": lambda c, s: c.sys.unwrap(s["wrapped"]["wrap_info"]["token"]),
    "sys.unwrap twice": lambda c, s: c.sys.unwrap(s["wrapped"]["wrap_info"]["token"]),
    "sys.create_or_update_quota": lambda c, _: c.sys.create_or_update_quota("all", rate=10_000),
    "sys.read_quota": lambda c, _: c.sys.read_quota("all"),
    "sys.list_quotas": lambda c, _: c.sys.list_quotas(),
    "sys.delete_quota": lambda c, _: c.sys.delete_quota("all"),
    "sys.create_namespace": lambda c, _: c.sys.create_namespace("team"),
    "sys.list_namespaces": lambda c, _: sorted(c.sys.list_namespaces()["data"]["keys"]),
    "sys.delete_namespace": lambda c, _: c.sys.delete_namespace("team"),
    "sys.get_encryption_key_status": lambda c, _: c.sys.get_encryption_key_status(),
    "sys.rotate_encryption_key": lambda c, _: c.sys.rotate_encryption_key(),
    "sys.read_root_generation_progress": lambda c, _: c.sys.read_root_generation_progress(),
    "sys.read_rekey_progress": lambda c, _: c.sys.read_rekey_progress(),
    "sys.read_raft_config": lambda c, _: c.sys.read_raft_config(),
    "sys.take_raft_snapshot": lambda c, _: c.sys.take_raft_snapshot(),
    "sys.step_down": lambda c, _: c.sys.step_down(),
}

#: Calls that this server refuses, or that would change it for good: only their errors are compared.
REFUSED_BY_SERVER: Final[Mapping[str, Call]] = {
    "sys.initialize": lambda c, _: c.sys.initialize(1, 1),
    "sys.enable_audit_device": lambda c, _: c.sys.enable_audit_device("file"),
    "sys.disable_audit_device": lambda c, _: c.sys.disable_audit_device("file"),
    "sys.start_root_token_generation": lambda c, _: c.sys.start_root_token_generation(),
    "sys.generate_root": lambda c, _: c.sys.generate_root("AAAA", "x"),
    "sys.cancel_root_generation": lambda c, _: c.sys.cancel_root_generation(),
    "sys.start_rekey": lambda c, _: c.sys.start_rekey(1, 1),
    "sys.rekey": lambda c, _: c.sys.rekey("AAAA", "x"),
    "sys.rekey_multi": lambda c, _: c.sys.rekey_multi(["AAAA"], "x"),
    "sys.cancel_rekey": lambda c, _: c.sys.cancel_rekey(),
    "sys.read_backup_keys": lambda c, _: c.sys.read_backup_keys(),
    "sys.read_rekey_verify_progress": lambda c, _: c.sys.read_rekey_verify_progress(),
    "sys.rekey_verify": lambda c, _: c.sys.rekey_verify("AAAA", "x"),
    "sys.rekey_verify_multi": lambda c, _: c.sys.rekey_verify_multi(["AAAA"], "x"),
    "sys.cancel_rekey_verify": lambda c, _: c.sys.cancel_rekey_verify(),
    "sys.join_raft_cluster": lambda c, _: c.sys.join_raft_cluster("http://127.0.0.1:1"),
    "sys.remove_raft_node": lambda c, _: c.sys.remove_raft_node("x"),
    "sys.restore_raft_snapshot": lambda c, _: c.sys.restore_raft_snapshot(b"\x1f\x8b"),
    "sys.force_restore_raft_snapshot": lambda c, _: c.sys.force_restore_raft_snapshot(b"\x1f\x8b"),
    "sys.create_or_update_raft_auto_snapshot_config": (
        lambda c, _: c.sys.create_or_update_raft_auto_snapshot_config(
            "x", interval="1h", storage_type="local"
        )
    ),
    "sys.read_raft_auto_snapshot_config": lambda c, _: c.sys.read_raft_auto_snapshot_config("x"),
    "sys.read_raft_auto_snapshot_status": lambda c, _: c.sys.read_raft_auto_snapshot_status("x"),
    "sys.list_raft_auto_snapshot_configs": lambda c, _: c.sys.list_raft_auto_snapshot_configs(),
    "sys.delete_raft_auto_snapshot_config": (
        lambda c, _: c.sys.delete_raft_auto_snapshot_config("x")
    ),
    "sys.create_or_update_rgp_policy": lambda c, _: c.sys.create_or_update_rgp_policy(
        "x", POLICY, "advisory"
    ),
    "sys.read_rgp_policy": lambda c, _: c.sys.read_rgp_policy("x"),
    "sys.list_rgp_policies": lambda c, _: c.sys.list_rgp_policies(),
    "sys.delete_rgp_policy": lambda c, _: c.sys.delete_rgp_policy("x"),
    "sys.create_or_update_egp_policy": lambda c, _: c.sys.create_or_update_egp_policy(
        "x", POLICY, "advisory", ["secret/*"]
    ),
    "sys.read_egp_policy": lambda c, _: c.sys.read_egp_policy("x"),
    "sys.list_egp_policies": lambda c, _: c.sys.list_egp_policies(),
    "sys.delete_egp_policy": lambda c, _: c.sys.delete_egp_policy("x"),
}

CLIENT: Final[Mapping[str, Call]] = {
    "client.write": lambda c, _: c.write("secret/data/written", data={"password": "one"}),
    "client.write_data": lambda c, _: c.write_data(
        "secret/data/written", data={"data": {"password": "two"}}
    ),
    "client.read": lambda c, _: c.read("secret/data/written"),
    "client.read wrapped": lambda c, _: c.read("secret/data/written", wrap_ttl="60s"),
    "client.read absent": lambda c, _: c.read("secret/data/nothing"),
    "client.list": lambda c, _: c.list("secret/metadata"),
    "client.list absent": lambda c, _: c.list("secret/metadata/nowhere"),
    "client.delete": lambda c, _: c.delete("secret/data/written"),
    "client.lookup_token": lambda c, _: c.lookup_token()["data"]["policies"],
    "client.is_authenticated": lambda c, _: c.is_authenticated(),
    "client.seal_status": lambda c, _: c.seal_status["sealed"],
    "client.get_policy": lambda c, _: c.get_policy("default") is not None,
    "client.get_policy absent": lambda c, _: c.get_policy("nothing"),
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
    "sys.seal": lambda c, _: c.sys.seal(),
    "sys.is_sealed sealed": lambda c, _: c.sys.is_sealed(),
    "sys.read_health_status sealed": lambda c, _: c.sys.read_health_status(method="GET"),
    "kv.v2.read_secret sealed": lambda c, _: c.secrets.kv.v2.read_secret(
        "shop/mail", raise_on_deleted_version=True
    ),
    "sys.submit_unseal_keys": lambda c, _: c.sys.submit_unseal_keys(["AAAA"]),
    "sys.submit_unseal_key": lambda c, _: c.sys.submit_unseal_key("AAAA"),
}


def _with_token(client: Any, created: Any, send: Callable[[], Any]) -> Any:
    """Return the result of *send* with the token in the response *created*."""
    before = client.token
    client.token = created["auth"]["client_token"]
    try:
        return send()
    finally:
        client.token = before


def _then_authenticated(client: Any, send: Callable[[], Any]) -> bool:
    """Return whether the client is authenticated after *send*."""
    before = client.token
    try:
        send()
        return bool(client.is_authenticated())
    finally:
        client.token = before


def _replaced(client: Any, send: Callable[[], Any]) -> bool:
    """Return whether *send* leads to another token of the client."""
    before = client.token
    try:
        send()
        return bool(client.token != before)
    finally:
        client.token = before


def _error_text(send: Callable[[], Any]) -> Any:
    try:
        send()
    except VaultError as error:
        return error.errors
    return None
