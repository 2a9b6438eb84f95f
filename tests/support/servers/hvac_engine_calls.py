"""Calls of hvac for the engines of KV, Transit and database users."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from tests.support.servers.hvac_calls import Call, kept

TEXT: Final = base64.b64encode(b"a text of the application").decode()
OTHER: Final = base64.b64encode(b"another text").decode()
CONTEXT: Final = base64.b64encode(b"a context").decode()
PATH: Final = "shop/mail"

KV2: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine kv": lambda c, _: c.sys.enable_secrets_engine(
        "kv", "secret", options={"version": "2"}
    ),
    "kv.v2.configure": lambda c, _: c.secrets.kv.v2.configure(max_versions=5),
    "kv.v2.read_configuration": lambda c, _: c.secrets.kv.v2.read_configuration(),
    "kv.v2.create_or_update_secret": lambda c, _: c.secrets.kv.v2.create_or_update_secret(
        PATH, {"password": "one", "port": 25, "nested": {"key": ["a"]}}
    ),
    "kv.v2.create_or_update_secret cas": lambda c, _: c.secrets.kv.v2.create_or_update_secret(
        PATH, {"password": "two"}, cas=1
    ),
    "kv.v2.create_or_update_secret wrong cas": lambda c, _: c.secrets.kv.v2.create_or_update_secret(
        PATH, {"password": "three"}, cas=1
    ),
    "kv.v2.read_secret": lambda c, _: c.secrets.kv.v2.read_secret(
        PATH, raise_on_deleted_version=True
    ),
    "kv.v2.read_secret_version": lambda c, _: c.secrets.kv.v2.read_secret_version(
        PATH, version=1, raise_on_deleted_version=True
    ),
    "kv.v2.read_secret_version absent": lambda c, _: c.secrets.kv.v2.read_secret_version(
        PATH, version=9, raise_on_deleted_version=True
    ),
    "kv.v2.patch": lambda c, _: c.secrets.kv.v2.patch(PATH, {"user": "mailer"}),
    "kv.v2.read_secret patched": lambda c, _: c.secrets.kv.v2.read_secret(
        PATH, raise_on_deleted_version=True
    ),
    "kv.v2.read_secret name with a space": lambda c, _: c.secrets.kv.v2.read_secret(
        "shop/a name", raise_on_deleted_version=True
    ),
    "kv.v2.list_secrets": lambda c, _: c.secrets.kv.v2.list_secrets("shop"),
    "kv.v2.list_secrets absent": lambda c, _: c.secrets.kv.v2.list_secrets("nowhere"),
    "kv.v2.update_metadata": lambda c, _: c.secrets.kv.v2.update_metadata(
        PATH, max_versions=4, custom_metadata={"owner": "team"}
    ),
    "kv.v2.read_secret_metadata": lambda c, _: c.secrets.kv.v2.read_secret_metadata(PATH),
    "kv.v2.delete_secret_versions": lambda c, _: c.secrets.kv.v2.delete_secret_versions(PATH, [3]),
    "kv.v2.read_secret_version deleted": lambda c, _: c.secrets.kv.v2.read_secret_version(
        PATH, raise_on_deleted_version=True
    ),
    "kv.v2.read_secret_version deleted, not raised": (
        lambda c, _: c.secrets.kv.v2.read_secret_version(PATH, raise_on_deleted_version=False)
    ),
    "kv.v2.undelete_secret_versions": lambda c, _: c.secrets.kv.v2.undelete_secret_versions(
        PATH, [3]
    ),
    "kv.v2.destroy_secret_versions": lambda c, _: c.secrets.kv.v2.destroy_secret_versions(
        PATH, [1]
    ),
    "kv.v2.read_secret_version destroyed": lambda c, _: c.secrets.kv.v2.read_secret_version(
        PATH, version=1, raise_on_deleted_version=True
    ),
    "kv.v2.delete_latest_version_of_secret": (
        lambda c, _: c.secrets.kv.v2.delete_latest_version_of_secret(PATH)
    ),
    "kv.v2.delete_metadata_and_all_versions": (
        lambda c, _: c.secrets.kv.v2.delete_metadata_and_all_versions(PATH)
    ),
}

KV1: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine kv v1": lambda c, _: c.sys.enable_secrets_engine(
        "kv", "one", options={"version": "1"}
    ),
    "kv.v1.create_or_update_secret": lambda c, _: c.secrets.kv.v1.create_or_update_secret(
        PATH, {"password": "one"}, mount_point="one"
    ),
    "kv.v1.create_or_update_secret PUT": lambda c, _: c.secrets.kv.v1.create_or_update_secret(
        PATH, {"password": "two"}, method="PUT", mount_point="one"
    ),
    "kv.v1.read_secret": lambda c, _: c.secrets.kv.v1.read_secret(PATH, mount_point="one"),
    "kv.v1.read_secret absent": lambda c, _: c.secrets.kv.v1.read_secret("x", mount_point="one"),
    "kv.v1.list_secrets": lambda c, _: c.secrets.kv.v1.list_secrets("shop", mount_point="one"),
    "kv.v1.delete_secret": lambda c, _: c.secrets.kv.v1.delete_secret(PATH, mount_point="one"),
}

TRANSIT: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine transit": lambda c, _: c.sys.enable_secrets_engine("transit"),
    "transit.create_key": lambda c, _: c.secrets.transit.create_key("plain"),
    "transit.create_key derived": lambda c, _: c.secrets.transit.create_key("own", derived=True),
    "transit.create_key exportable": lambda c, _: c.secrets.transit.create_key(
        "out", exportable=True, allow_plaintext_backup=True
    ),
    "transit.create_key ed25519": lambda c, _: c.secrets.transit.create_key(
        "signer", key_type="ed25519"
    ),
    "transit.read_key": lambda c, _: c.secrets.transit.read_key("plain"),
    "transit.read_key absent": lambda c, _: c.secrets.transit.read_key("nothing"),
    "transit.list_keys": lambda c, _: c.secrets.transit.list_keys(),
    "transit.encrypt_data": kept(
        "sealed", lambda c, _: c.secrets.transit.encrypt_data("plain", plaintext=TEXT)
    ),
    "transit.encrypt_data derived": kept(
        "own", lambda c, _: c.secrets.transit.encrypt_data("own", plaintext=TEXT, context=CONTEXT)
    ),
    "transit.encrypt_data derived without context": (
        lambda c, _: c.secrets.transit.encrypt_data("own", plaintext=TEXT)
    ),
    "transit.encrypt_data associated data": lambda c, _: c.secrets.transit.encrypt_data(
        "plain", plaintext=TEXT, associated_data=CONTEXT
    ),
    "transit.encrypt_data batch": lambda c, _: c.secrets.transit.encrypt_data(
        "plain", batch_input=[{"plaintext": TEXT}, {"plaintext": OTHER}]
    ),
    "transit.decrypt_data": lambda c, s: c.secrets.transit.decrypt_data(
        "plain", ciphertext=s["sealed"]["data"]["ciphertext"]
    )["data"],
    "transit.decrypt_data derived": lambda c, s: c.secrets.transit.decrypt_data(
        "own", ciphertext=s["own"]["data"]["ciphertext"], context=CONTEXT
    ),
    "transit.decrypt_data wrong": lambda c, _: c.secrets.transit.decrypt_data(
        "plain", ciphertext="vault:v1:AAAA"
    ),
    "transit.decrypt_data batch": lambda c, s: c.secrets.transit.decrypt_data(
        "plain", batch_input=[{"ciphertext": s["sealed"]["data"]["ciphertext"]}]
    ),
    "transit.decrypt_data partly wrong batch": lambda c, s: c.secrets.transit.decrypt_data(
        "plain",
        batch_input=[
            {"ciphertext": s["sealed"]["data"]["ciphertext"]},
            {"ciphertext": "vault:v1:AAAA"},
        ],
    ),
    "transit.rotate_key": lambda c, _: c.secrets.transit.rotate_key("plain"),
    "transit.rewrap_data": lambda c, s: c.secrets.transit.rewrap_data(
        "plain", ciphertext=s["sealed"]["data"]["ciphertext"]
    ),
    "transit.update_key_configuration": lambda c, _: c.secrets.transit.update_key_configuration(
        "plain", min_decryption_version=2, deletion_allowed=True
    ),
    "transit.decrypt_data too old": lambda c, s: c.secrets.transit.decrypt_data(
        "plain", ciphertext=s["sealed"]["data"]["ciphertext"]
    ),
    "transit.trim_key": lambda c, _: c.secrets.transit.trim_key("plain", min_version=2),
    "transit.generate_data_key": lambda c, _: c.secrets.transit.generate_data_key(
        "plain", key_type="plaintext"
    ),
    "transit.generate_random_bytes": lambda c, _: c.secrets.transit.generate_random_bytes(16),
    "transit.hash_data": lambda c, _: c.secrets.transit.hash_data(TEXT, algorithm="sha2-256"),
    "transit.generate_hmac": lambda c, _: c.secrets.transit.generate_hmac("plain", hash_input=TEXT),
    "transit.sign_data": kept(
        "signed", lambda c, _: c.secrets.transit.sign_data("signer", hash_input=TEXT)
    ),
    "transit.verify_signed_data": lambda c, s: c.secrets.transit.verify_signed_data(
        "signer", hash_input=TEXT, signature=s["signed"]["data"]["signature"]
    ),
    "transit.export_key": lambda c, _: c.secrets.transit.export_key(
        "out", key_type="encryption-key"
    ),
    "transit.backup_key": kept("backup", lambda c, _: c.secrets.transit.backup_key("out")),
    "transit.restore_key": lambda c, s: c.secrets.transit.restore_key(
        s["backup"]["data"]["backup"], name="back"
    ),
    "transit.delete_key": lambda c, _: c.secrets.transit.delete_key("plain"),
    "transit.delete_key not allowed": lambda c, _: c.secrets.transit.delete_key("own"),
}

DATABASE: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine database": lambda c, _: c.sys.enable_secrets_engine("database"),
    "database.configure": lambda c, s: c.secrets.database.configure(
        "shop",
        plugin_name="postgresql-database-plugin",
        allowed_roles=["*"],
        connection_url=s["database_url"],
        username=s["database_user"],
        password=s["database_password"],
    ),
    "database.read_connection": lambda c, _: c.secrets.database.read_connection("shop")["data"][
        "plugin_name"
    ],
    "database.list_connections": lambda c, _: c.secrets.database.list_connections(),
    "database.reset_connection": lambda c, _: c.secrets.database.reset_connection("shop"),
    "database.create_role": lambda c, _: c.secrets.database.create_role(
        "shop",
        db_name="shop",
        creation_statements=[
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
        ],
        default_ttl="1h",
        max_ttl="24h",
    ),
    "database.read_role": lambda c, _: c.secrets.database.read_role("shop"),
    "database.list_roles": lambda c, _: c.secrets.database.list_roles(),
    "database.generate_credentials": kept(
        "lease", lambda c, _: c.secrets.database.generate_credentials("shop")
    ),
    "database.generate_credentials unknown role": (
        lambda c, _: c.secrets.database.generate_credentials("nothing")
    ),
    "database.create_static_role": lambda c, s: c.secrets.database.create_static_role(
        "fixed",
        db_name="shop",
        username=s["static_user"],
        rotation_statements=["ALTER ROLE \"{{name}}\" PASSWORD '{{password}}'"],
        rotation_period=86_400,
    ),
    "database.read_static_role": lambda c, _: c.secrets.database.read_static_role("fixed"),
    "database.list_static_roles": lambda c, _: c.secrets.database.list_static_roles(),
    "database.get_static_credentials": lambda c, _: c.secrets.database.get_static_credentials(
        "fixed"
    ),
    "database.rotate_static_role_credentials": (
        lambda c, _: c.secrets.database.rotate_static_role_credentials("fixed")
    ),
    "sys.read_lease": lambda c, s: c.sys.read_lease(s["lease"]["lease_id"]),
    "sys.list_leases": lambda c, _: len(c.sys.list_leases("database/creds/shop")["data"]["keys"]),
    "sys.renew_lease": lambda c, s: c.sys.renew_lease(s["lease"]["lease_id"], increment=600),
    "sys.revoke_lease": lambda c, s: c.sys.revoke_lease(s["lease"]["lease_id"]),
    "sys.renew_lease revoked": lambda c, s: c.sys.renew_lease(s["lease"]["lease_id"]),
    "sys.revoke_prefix": lambda c, _: c.sys.revoke_prefix("database/creds/shop"),
    "sys.revoke_force": lambda c, _: c.sys.revoke_force("database/creds/shop"),
    "database.rotate_root_credentials": lambda c, _: c.secrets.database.rotate_root_credentials(
        "shop"
    ),
    "database.delete_static_role": lambda c, _: c.secrets.database.delete_static_role("fixed"),
    "database.delete_role": lambda c, _: c.secrets.database.delete_role("shop"),
    "database.delete_connection": lambda c, _: c.secrets.database.delete_connection("shop"),
}
