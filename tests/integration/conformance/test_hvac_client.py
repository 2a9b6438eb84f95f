"""Calls of hvac's own client, which behave alike on the server in memory and on a real one."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import hvac
import pytest
from hvac.exceptions import InvalidPath, InvalidRequest, VaultError

from app_integration.auth.methods import StaticToken
from app_integration.hvac_adapter.adapter import build_hvac_client
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.http import UnsupportedCall
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from tests.support.polling import wait_until

pytestmark = pytest.mark.requires("embedded")

PLAIN = base64.b64encode(b"sand").decode()
RULES = 'path "secret/data/*" { capabilities = ["read"] }'


@pytest.fixture
def name() -> str:
    """Return a name that no other test uses."""
    return f"n{secrets.token_hex(6)}"


def client_in_memory() -> Any:
    """Return a client with all rights on a new server in memory."""
    memory = MemoryVault()
    token = memory.tokens.issue("token", ("root",), ttl=float("inf"), renewable=False)
    session = Session(ADDRESS, StaticToken(Secret(token.value)), connect=lambda: memory)
    return build_hvac_client(session)


def is_ready(client: Any, mount: str) -> bool:
    """Return whether the KV mount is ready. While a new one upgrades itself, it responds 400."""
    try:
        client.secrets.kv.v2.read_configuration(mount_point=mount)
    except InvalidRequest:
        return False
    return True


@pytest.fixture(params=["vault", "memory-vault"])
def client(request: pytest.FixtureRequest, name: str) -> Iterator[Any]:
    """Yield hvac's client with all rights on each server in turn, and mounts named like *name*."""
    if request.param == "vault":
        real = request.getfixturevalue("real_vault_server")
        opened = hvac.Client(real.address, token=real.root_token)
    else:
        opened = client_in_memory()
    opened.sys.enable_secrets_engine("kv", path=f"kv-{name}", options={"version": "2"})
    opened.sys.enable_secrets_engine("transit", path=f"transit-{name}")
    opened.sys.enable_auth_method("approle", path=f"approle-{name}")
    wait_until(lambda: is_ready(opened, f"kv-{name}"), "the KV mount is ready")
    yield opened
    opened.sys.disable_secrets_engine(f"kv-{name}")
    opened.adapter.close()


def test_kv_calls(client: Any, name: str) -> None:
    kv, mount = client.secrets.kv.v2, {"mount_point": f"kv-{name}"}
    kv.configure(max_versions=4, cas_required=False, delete_version_after="1h", **mount)
    assert kv.read_configuration(**mount)["data"]["max_versions"] == 4
    assert kv.create_or_update_secret("a", {"x": "1"}, cas=0, **mount)["data"]["version"] == 1
    with pytest.warns(DeprecationWarning, match="raise_on_deleted_version"):
        assert kv.patch("a", {"y": "2"}, **mount)["data"]["version"] == 2
    found = kv.read_secret_version("a", version=1, raise_on_deleted_version=True, **mount)
    assert found["data"]["data"] == {"x": "1"}
    with pytest.raises(InvalidRequest, match="did not match"):
        kv.create_or_update_secret("a", {}, cas=7, **mount)
    kv.update_metadata("a", custom_metadata={"owner": "me"}, delete_version_after="2h", **mount)
    assert kv.read_secret_metadata("a", **mount)["data"]["custom_metadata"] == {"owner": "me"}
    kv.delete_secret_versions("a", [1], **mount)
    kv.undelete_secret_versions("a", [1], **mount)
    kv.destroy_secret_versions("a", [1], **mount)
    kv.delete_latest_version_of_secret("a", **mount)
    with pytest.raises(InvalidPath):
        kv.read_secret_version("a", raise_on_deleted_version=True, **mount)
    assert kv.list_secrets("", **mount)["data"]["keys"] == ["a"]
    kv.delete_metadata_and_all_versions("a", **mount)
    with pytest.raises(InvalidPath):
        kv.list_secrets("", **mount)


def test_transit_calls(client: Any, name: str) -> None:
    transit, mount = client.secrets.transit, {"mount_point": f"transit-{name}"}
    transit.create_key("k", convergent_encryption=False, derived=True, exportable=False, **mount)
    sealed = transit.encrypt_data("k", plaintext=PLAIN, context=PLAIN, **mount)["data"]
    transit.rotate_key("k", **mount)
    newer = transit.rewrap_data("k", ciphertext=sealed["ciphertext"], context=PLAIN, **mount)
    text = newer["data"]["ciphertext"]
    assert text.startswith("vault:v2:")
    opened = transit.decrypt_data("k", ciphertext=text, context=PLAIN, **mount)
    assert opened["data"]["plaintext"] == PLAIN
    with pytest.raises(InvalidRequest):
        transit.decrypt_data("k", ciphertext=text, context="AAAA", **mount)
    made = transit.generate_data_key("k", key_type="plaintext", context=PLAIN, **mount)["data"]
    opened = transit.decrypt_data("k", ciphertext=made["ciphertext"], context=PLAIN, **mount)
    assert opened["data"]["plaintext"] == made["plaintext"]
    transit.create_key("s", key_type="ecdsa-p256", **mount)
    for kind in ("signature", "hmac"):
        make = transit.sign_data if kind == "signature" else transit.generate_hmac
        value = make("s", hash_input=PLAIN, **mount)["data"][kind]
        checked = transit.verify_signed_data("s", hash_input=PLAIN, **{kind: value}, **mount)
        assert checked["data"]["valid"] is True
    transit.update_key_configuration("k", min_decryption_version=2, deletion_allowed=True, **mount)
    assert transit.read_key("k", **mount)["data"]["min_decryption_version"] == 2
    assert transit.list_keys(**mount)["data"]["keys"] == ["k", "s"]
    transit.delete_key("k", **mount)


def test_approle_calls(client: Any, name: str) -> None:
    approle, mount = client.auth.approle, {"mount_point": f"approle-{name}"}
    approle.create_or_update_approle(
        "r",
        token_policies=["p"],
        token_ttl="10m",
        secret_id_num_uses=3,
        bind_secret_id=True,
        **mount,
    )
    assert approle.read_role("r", **mount)["data"]["token_ttl"] == 600
    assert approle.list_roles(**mount)["data"]["keys"] == ["r"]
    approle.update_role_id("r", f"id-{name}", **mount)
    made = approle.generate_secret_id("r", metadata={"host": "web"}, **mount)["data"]
    found = approle.read_secret_id("r", made["secret_id"], **mount)["data"]
    assert found["metadata"] == {"host": "web"}
    accessor = made["secret_id_accessor"]
    assert approle.list_secret_id_accessors("r", **mount)["data"]["keys"] == [accessor]
    logged_in = approle.login(f"id-{name}", made["secret_id"], use_token=False, **mount)
    assert logged_in["auth"]["metadata"] == {"host": "web", "role_name": "r"}
    approle.destroy_secret_id_accessor("r", accessor, **mount)
    with pytest.raises(InvalidRequest, match="invalid role or secret ID"):
        approle.login(f"id-{name}", made["secret_id"], use_token=False, **mount)
    approle.create_custom_secret_id("r", f"own-{name}", **mount)
    approle.destroy_secret_id("r", f"own-{name}", **mount)
    approle.delete_role("r", **mount)


def test_token_calls(client: Any) -> None:
    token = client.auth.token
    made = token.create(policies=["p"], ttl="1h", meta={"a": "b"}, renewable=True)["auth"]
    assert token.lookup(made["client_token"])["data"]["meta"] == {"a": "b"}
    assert token.lookup_accessor(made["accessor"])["data"]["policies"] == ["default", "p"]
    assert token.renew(made["client_token"], increment="2h")["auth"]["lease_duration"] == 7200
    token.renew_accessor(made["accessor"])
    assert made["accessor"] in token.list_accessors()["data"]["keys"]
    token.revoke_accessor(made["accessor"])
    with pytest.raises(VaultError):
        token.lookup(made["client_token"])
    orphan = token.create_orphan(policies=["default"])["auth"]
    token.revoke(orphan["client_token"])
    assert client.is_authenticated()
    assert client.lookup_token()["data"]["policies"] == ["root"]


def test_system_calls(client: Any, name: str) -> None:
    sys = client.sys
    assert sys.read_health_status().status_code == 200
    assert sys.read_health_status(method="GET")["sealed"] is False
    assert (sys.is_initialized(), sys.is_sealed()) == (True, False)
    assert sys.list_mounted_secrets_engines()["data"][f"kv-{name}/"]["type"] == "kv"
    assert sys.read_mount_configuration(f"kv-{name}")["data"]["max_lease_ttl"] == 2_764_800
    assert sys.list_auth_methods()["data"][f"approle-{name}/"]["type"] == "approle"
    sys.create_or_update_acl_policy(name, RULES, pretty_print=False)
    assert sys.read_acl_policy(name)["data"]["policy"] == RULES
    assert name in sys.list_acl_policies()["data"]["keys"]
    assert sys.get_capabilities(["secret/data/a"])["data"]["secret/data/a"] == ["root"]
    sys.delete_acl_policy(name)
    sys.disable_auth_method(f"approle-{name}")
    for call in (sys.read_lease, sys.renew_lease):
        with pytest.raises(InvalidRequest):
            call("database/creds/none/x")
    sys.revoke_lease("database/creds/none/x")
    sys.revoke_prefix("database/creds/none")


def test_wrapping_calls(client: Any) -> None:
    wrapped = client.sys.wrap({"a": "b"}, ttl=60)["wrap_info"]["token"]
    assert client.sys.unwrap(wrapped)["data"] == {"a": "b"}
    with pytest.raises(InvalidRequest):
        client.sys.unwrap(wrapped)
    made = client.auth.token.create(policies=["default"], wrap_ttl="60s")
    assert client.sys.unwrap(made["wrap_info"]["token"])["auth"]["policies"] == ["default"]


def test_refusal_of_the_server_in_memory_reaches_hvac() -> None:
    opened = client_in_memory()
    refused: list[Callable[[], Any]] = [
        lambda: opened.secrets.transit.encrypt_data("k", plaintext=PLAIN, nonce="AAAA"),
        lambda: opened.sys.enable_secrets_engine("pki"),
        lambda: opened.secrets.transit.backup_key("k"),
    ]
    for call in refused:
        with pytest.raises(UnsupportedCall, match="the in-memory Vault does not support"):
            call()
