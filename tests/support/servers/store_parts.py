"""Parts for tests of the example store: real Redis and SMTP servers, keys in this process."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine, create_engine
from werkzeug.test import TestResponse

from app_integration import default_client
from app_integration._internal.private_file import write_private
from app_integration.config.loader import CHECK_INTERVAL, ConfigFile
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores import IndexKeyStore
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.cipher import FieldCipher
from app_integration.errors import KeyUnavailable, Unreachable, raise_decryption_failed
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.testing.ports import free_ports
from examples.gaara_store import keys, redis_connection, signing
from examples.gaara_store.app import create_app
from examples.gaara_store.config import StoreConfig
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes.processes import ProcessManager
from local.servers.accounts import mail_password
from local.servers.redis_accounts import RedisManager
from local.servers.smtp import Smtp
from local.servers.valkey import Valkey
from tests.support.clock import Clock
from tests.support.databases.redis_site import running_valkey
from tests.support.models.cipher_parts import KeyService

DOCUMENT: dict[str, Any] = {
    "database": {"url": "postgresql+psycopg://nobody:unused-database-password@127.0.0.1/store"},
    "redis": {"url": "redis://:unused-redis-password@127.0.0.1:1/0"},
    "jwt": {"secret": "signing-key-number-one-of-the-unit-tests"},
    "smtp": {
        "host": HOST,
        "port": 1,
        "username": "gaara-store",
        "password": "unused-smtp-password",
    },
}


PASSWORD = "sand and more sand"
PERSON = {"email": "gaara@example.com", "phone": "+81 3 1234 5678", "address": "1 Dune Road, Suna"}
SCOPE = Scope("gaara-store", Environment.DEV)


@dataclass(frozen=True)
class Servers:
    """Running servers, and a config document with their addresses and passwords."""

    redis: Valkey
    redis_manager: RedisManager
    smtp: Smtp
    mail: Path
    document: dict[str, Any]


@contextmanager
def running_servers(root: Path) -> Iterator[Servers]:
    """Run Valkey and the SMTP sink, with their files below *root*."""
    layout = Layout(root / ".strongroom")
    manager = RedisManager(layout, SCOPE)
    with running_valkey(root, manager) as valkey:
        smtp = Smtp(layout, Ports(*free_ports(6)), ProcessManager(layout), ["gaara-store"])
        document = copy.deepcopy(DOCUMENT)
        document["redis"]["url"] = valkey.url().reveal()
        try:
            smtp.start()
            password = mail_password(layout, "gaara-store").reveal()
            document["smtp"] |= {"port": smtp.port, "password": password}
            yield Servers(valkey, manager, smtp, layout.mail, document)
        finally:
            smtp.stop()


def deliver(document: dict[str, Any], path: Path) -> None:
    write_private(path, f"{json.dumps(document)}\n")


class LocalKeys(KeyService):
    """A key service in this process. Set *unavailable* to make its requests fail."""

    unavailable = False

    def encrypt(self, plaintext: bytes, context: bytes) -> str:
        return self.wrap([plaintext], context)[0].hex()

    def decrypt(self, ciphertext: str, context: bytes) -> bytes:
        return self.unwrap([bytes.fromhex(ciphertext)], context)[0] or raise_decryption_failed()

    def _record(self, operation: str, items: Sequence[bytes]) -> None:
        if self.unavailable:
            raise KeyUnavailable("the key service is unavailable")
        super()._record(operation, items)


class LocalClient:
    """Part of the SDK's client that encrypted columns use, with keys in memory."""

    def __init__(self, keys: LocalKeys) -> None:
        self._keys = keys
        self._cipher = FieldCipher(keys, SCOPE)
        self._indexes: BlindIndexes | None = None

    def cipher(self, key: str, *, self_contained: bool = False) -> FieldCipher:
        assert (key, self_contained) == ("pii", False)
        return self._cipher

    @property
    def indexes(self) -> BlindIndexes:
        assert self._indexes is not None
        return self._indexes

    def use_index_keys(self, store: IndexKeyStore) -> None:
        self._indexes = BlindIndexes(self._keys, store, SCOPE)


def use_local_keys(local: LocalKeys, engine: Engine, patch: pytest.MonkeyPatch) -> None:
    """Make the store use *local*, with empty key caches."""
    client = LocalClient(local)
    client.use_index_keys(TableIndexKeys(engine))
    patch.setattr(default_client, "get_default_client", lambda: client)
    patch.setattr(keys, "transit", lambda: local)
    patch.setattr(keys, "_is_uninitialised", lambda: False)


@dataclass
class Shop:
    """A store, and the parts of its surroundings that tests change."""

    client: FlaskClient
    engine: Engine
    path: Path
    document: dict[str, Any]
    clock: Clock
    patch: pytest.MonkeyPatch
    keys: LocalKeys
    server_keys: tuple[Secret, ...] | None = None
    signing_key_requests: int = 0

    def __post_init__(self) -> None:
        self.patch.setattr(signing, "verification_keys", self._verification_keys)

    def _verification_keys(self, *_: object, **__: object) -> tuple[Secret, ...]:
        self.signing_key_requests += 1
        if self.server_keys is None:
            raise Unreachable("the server is unreachable")
        return self.server_keys

    def clear_key_caches(self) -> None:
        """Drop the cached data keys, as a restart of the store does."""
        use_local_keys(self.keys, self.engine, self.patch)

    def lose_keys(self) -> None:
        """Replace the server's keys under the same names, as its restart in dev mode does."""
        self.keys = LocalKeys()
        self.clear_key_caches()

    def deliver(self, section: str, **values: Any) -> None:
        """Deliver the config with *values* changed in *section*, and let the store reload it."""
        document = copy.deepcopy(self.document)
        document[section] |= values
        deliver(document, self.path)
        self.clock.now += CHECK_INTERVAL

    def register(self, username: str, **changes: Any) -> TestResponse:
        body = {"username": username, "password": PASSWORD, **PERSON, **changes}
        return self.client.post("/register", json=body)

    def login(self, username: str, password: str = PASSWORD) -> TestResponse:
        return self.client.post("/login", json={"username": username, "password": password})

    def register_and_login(self, username: str) -> dict[str, str]:
        assert self.register(username).status_code == 201
        return {"Authorization": f"Bearer {self.login(username).get_json()['token']}"}


def connect_without_leases(patch: pytest.MonkeyPatch) -> None:
    """Connect to Redis as the user in its URL, because there is no server that leases one."""

    def connect(url: str, **options: Any) -> redis.Redis:
        return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)

    patch.setattr(redis_connection, "redis_client", connect)
    redis_connection.build_client.cache_clear()


@contextmanager
def open_shop(servers: Servers, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Open a store on *servers*, with an SQLite database in *folder* and without Vault."""
    patch.setenv("STRONGROOM_SERVICE", "gaara-store")
    patch.setenv("ENVIRONMENT", "development")
    patch.setenv("VAULT_ADDR", f"http://{HOST}:{free_ports(1)[0]}")
    path, clock = folder / "app.json", Clock()
    deliver(servers.document, path)
    engine = create_engine(f"sqlite:///{folder / 'store.db'}", hide_parameters=True)
    local = LocalKeys()
    use_local_keys(local, engine, patch)
    connect_without_leases(patch)
    try:
        app = create_app(ConfigFile(StoreConfig, path, clock=clock), engine)
        yield Shop(app.test_client(), engine, path, servers.document, clock, patch, local)
    finally:
        redaction.uninstall()
        redis_connection.build_client.cache_clear()
        engine.dispose()
