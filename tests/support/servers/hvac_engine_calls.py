"""Calls of hvac for the engines of KV, Transit and database users."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from tests.support.servers.hvac_calls import Call, From, call

TEXT: Final = base64.b64encode(b"a text of the application").decode()
OTHER: Final = base64.b64encode(b"another text").decode()
CONTEXT: Final = base64.b64encode(b"a context").decode()
PATH: Final = "shop/mail"

KV2: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine kv": call("kv", "secret", options={"version": "2"}),
    "kv.v2.configure": call(max_versions=5),
    "kv.v2.read_configuration": call(),
    "kv.v2.create_or_update_secret": call(
        PATH, {"password": "one", "port": 25, "nested": {"key": ["a"]}}
    ),
    "kv.v2.create_or_update_secret cas": call(PATH, {"password": "two"}, cas=1),
    "kv.v2.create_or_update_secret wrong cas": call(PATH, {"password": "three"}, cas=1),
    "kv.v2.read_secret": call(PATH, raise_on_deleted_version=True),
    "kv.v2.read_secret_version": call(PATH, version=1, raise_on_deleted_version=True),
    "kv.v2.read_secret_version absent": call(PATH, version=9, raise_on_deleted_version=True),
    "kv.v2.patch": call(PATH, {"user": "mailer"}),
    "kv.v2.read_secret patched": call(PATH, raise_on_deleted_version=True),
    "kv.v2.read_secret name with a space": call("shop/a name", raise_on_deleted_version=True),
    "kv.v2.list_secrets": call("shop"),
    "kv.v2.list_secrets absent": call("nowhere"),
    "kv.v2.update_metadata": call(PATH, max_versions=4, custom_metadata={"owner": "team"}),
    "kv.v2.read_secret_metadata": call(PATH),
    "kv.v2.delete_secret_versions": call(PATH, [3]),
    "kv.v2.read_secret_version deleted": call(PATH, raise_on_deleted_version=True),
    "kv.v2.read_secret_version deleted, not raised": call(PATH, raise_on_deleted_version=False),
    "kv.v2.undelete_secret_versions": call(PATH, [3]),
    "kv.v2.destroy_secret_versions": call(PATH, [1]),
    "kv.v2.read_secret_version destroyed": call(PATH, version=1, raise_on_deleted_version=True),
    "kv.v2.delete_latest_version_of_secret": call(PATH),
    "kv.v2.delete_metadata_and_all_versions": call(PATH),
}

KV1: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine kv v1": call("kv", "one", options={"version": "1"}),
    "kv.v1.create_or_update_secret": call(PATH, {"password": "one"}, mount_point="one"),
    "kv.v1.create_or_update_secret PUT": call(
        PATH, {"password": "two"}, method="PUT", mount_point="one"
    ),
    "kv.v1.read_secret": call(PATH, mount_point="one"),
    "kv.v1.read_secret absent": call("x", mount_point="one"),
    "kv.v1.list_secrets": call("shop", mount_point="one"),
    "kv.v1.delete_secret": call(PATH, mount_point="one"),
}

TRANSIT: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine transit": call("transit"),
    "transit.create_key": call("plain"),
    "transit.create_key derived": call("own", derived=True),
    "transit.create_key exportable": call("out", exportable=True, allow_plaintext_backup=True),
    "transit.create_key ed25519": call("signer", key_type="ed25519"),
    "transit.read_key": call("plain"),
    "transit.read_key absent": call("nothing"),
    "transit.list_keys": call(),
    "transit.encrypt_data": call("plain", plaintext=TEXT, keep="sealed"),
    "transit.encrypt_data derived": call("own", plaintext=TEXT, context=CONTEXT, keep="own"),
    "transit.encrypt_data derived without context": call("own", plaintext=TEXT),
    "transit.encrypt_data associated data": call("plain", plaintext=TEXT, associated_data=CONTEXT),
    "transit.encrypt_data batch": call(
        "plain", batch_input=[{"plaintext": TEXT}, {"plaintext": OTHER}]
    ),
    "transit.decrypt_data": lambda c, s: c.secrets.transit.decrypt_data(
        "plain", ciphertext=s["sealed"]["data"]["ciphertext"]
    )["data"],
    "transit.decrypt_data derived": call(
        "own", ciphertext=From("own.data.ciphertext"), context=CONTEXT
    ),
    "transit.decrypt_data wrong": call("plain", ciphertext="vault:v1:AAAA"),
    "transit.decrypt_data batch": call(
        "plain", batch_input=[{"ciphertext": From("sealed.data.ciphertext")}]
    ),
    "transit.decrypt_data partly wrong batch": call(
        "plain",
        batch_input=[
            {"ciphertext": From("sealed.data.ciphertext")},
            {"ciphertext": "vault:v1:AAAA"},
        ],
    ),
    "transit.rotate_key": call("plain"),
    "transit.rewrap_data": call("plain", ciphertext=From("sealed.data.ciphertext")),
    "transit.update_key_configuration": call(
        "plain", min_decryption_version=2, deletion_allowed=True
    ),
    "transit.decrypt_data too old": call("plain", ciphertext=From("sealed.data.ciphertext")),
    "transit.trim_key": call("plain", min_version=2),
    "transit.generate_data_key": call("plain", key_type="plaintext"),
    "transit.generate_random_bytes": call(16),
    "transit.hash_data": call(TEXT, algorithm="sha2-256"),
    "transit.generate_hmac": call("plain", hash_input=TEXT),
    "transit.sign_data": call("signer", hash_input=TEXT, keep="signed"),
    "transit.verify_signed_data": call(
        "signer", hash_input=TEXT, signature=From("signed.data.signature")
    ),
    "transit.export_key": call("out", key_type="encryption-key"),
    "transit.backup_key": call("out", keep="backup"),
    "transit.restore_key": call(From("backup.data.backup"), name="back"),
    "transit.delete_key": call("plain"),
    "transit.delete_key not allowed": call("own"),
}

DATABASE: Final[Mapping[str, Call]] = {
    "sys.enable_secrets_engine database": call("database"),
    "database.configure": call(
        "shop",
        plugin_name="postgresql-database-plugin",
        allowed_roles=["*"],
        connection_url=From("database_url"),
        username=From("database_user"),
        password=From("database_password"),
    ),
    "database.read_connection": lambda c, _: c.secrets.database.read_connection("shop")["data"][
        "plugin_name"
    ],
    "database.list_connections": call(),
    "database.reset_connection": call("shop"),
    "database.create_role": call(
        "shop",
        db_name="shop",
        creation_statements=[
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
        ],
        default_ttl="1h",
        max_ttl="24h",
    ),
    "database.read_role": call("shop"),
    "database.list_roles": call(),
    "database.generate_credentials": call("shop", keep="lease"),
    "database.generate_credentials unknown role": call("nothing"),
    "database.create_static_role": call(
        "fixed",
        db_name="shop",
        username=From("static_user"),
        rotation_statements=["ALTER ROLE \"{{name}}\" PASSWORD '{{password}}'"],
        rotation_period=86_400,
    ),
    "database.read_static_role": call("fixed"),
    "database.list_static_roles": call(),
    "database.get_static_credentials": call("fixed"),
    "database.rotate_static_role_credentials": call("fixed"),
    "sys.read_lease": call(From("lease.lease_id")),
    "sys.list_leases": lambda c, _: len(c.sys.list_leases("database/creds/shop")["data"]["keys"]),
    "sys.renew_lease": call(From("lease.lease_id"), increment=600),
    "sys.revoke_lease": call(From("lease.lease_id")),
    "sys.renew_lease revoked": call(From("lease.lease_id")),
    "sys.revoke_prefix": call("database/creds/shop"),
    "sys.revoke_force": call("database/creds/shop"),
    "database.rotate_root_credentials": call("shop"),
    "database.delete_static_role": call("fixed"),
    "database.delete_role": call("shop"),
    "database.delete_connection": call("shop"),
}
