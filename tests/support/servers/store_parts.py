"""Parts for tests of the example store: real Redis and SMTP servers, data keys wrapped here."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask.testing import FlaskClient
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
from examples.gaara_store import keys, signing
from examples.gaara_store.app import create_app
from examples.gaara_store.config import StoreConfig
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes.processes import ProcessManager
from vault.runtime.servers.smtp import Smtp
from vault.runtime.servers.valkey import Valkey

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
    """What runs, and the config that leads there."""

    redis: Valkey
    smtp: Smtp
    mail: Path
    document: dict[str, Any]


@contextmanager
def running_servers(root: Path) -> Iterator[Servers]:
    """Valkey and the SMTP sink, their files below *root*."""
    layout, ports = Layout(root / ".strongroom"), Ports(*free_ports(6))
    layout.create()
    processes = ProcessManager(layout)
    redis = Valkey(layout, ports, processes)
    smtp = Smtp(layout, ports, processes, "gaara-store")
    document = copy.deepcopy(DOCUMENT)
    try:
        redis.start()
        smtp.start()
        document["redis"]["url"] = redis.url().reveal()
        document["smtp"] |= {"port": smtp.port, "password": smtp.password().reveal()}
        yield Servers(redis, smtp, layout.mail, document)
    finally:
        redis.stop()
        smtp.stop()


def deliver(document: dict[str, Any], path: Path) -> None:
    """Put *document* at *path*, as the agent does."""
    write_private(path, f"{json.dumps(document)}\n")


class LocalKeys:
    """A key service of this process; *away* makes it unreachable."""

    def __init__(self) -> None:
        self.away = False
        self._cipher = AESGCM(os.urandom(32))

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._check()
        nonce = os.urandom(12)
        return [nonce + self._cipher.encrypt(nonce, key, scope) for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._check()
        return [self._opened(key, scope) for key in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        return [key and self.wrap([key], scope)[0] for key in self.unwrap(wrapped, scope)]

    def version(self, wrapped: bytes) -> int:
        assert wrapped
        return 1

    def encrypt(self, plaintext: bytes, context: bytes) -> str:
        return self.wrap([plaintext], context)[0].hex()

    def decrypt(self, ciphertext: str, context: bytes) -> bytes:
        self._check()
        return self._opened(bytes.fromhex(ciphertext), context) or raise_decryption_failed()

    def _opened(self, key: bytes, scope: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(key[:12], key[12:], scope)
        except InvalidTag:
            return None

    def _check(self) -> None:
        if self.away:
            raise KeyUnavailable("the key service is away")


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class LocalClient:
    """What encrypted columns ask of the process's client, over keys in memory."""

    def __init__(self, keys: LocalKeys) -> None:
        self._keys = keys
        self._cipher = FieldCipher(keys, SCOPE)
        self._indexes: BlindIndexes | None = None

    def cipher(self, key: str) -> FieldCipher:
        assert key == "pii"
        return self._cipher

    @property
    def indexes(self) -> BlindIndexes:
        assert self._indexes is not None
        return self._indexes

    def use_index_keys(self, store: IndexKeyStore) -> None:
        self._indexes = BlindIndexes(self._keys, store, SCOPE)


def use_local_keys(local: LocalKeys, engine: Engine, patch: pytest.MonkeyPatch) -> None:
    """Wire the store to *local*, with no key held yet."""
    client = LocalClient(local)
    client.use_index_keys(TableIndexKeys(engine))
    patch.setattr(default_client, "get_default_client", lambda: client)
    patch.setattr(keys, "transit", lambda: local)
    patch.setattr(keys, "_is_blank", lambda: False)


@dataclass
class Shop:
    """A store, and what tests turn under it."""

    client: FlaskClient
    engine: Engine
    path: Path  # of its config
    document: dict[str, Any]  # in it
    clock: Clock  # of the config file
    patch: pytest.MonkeyPatch
    keys: LocalKeys
    pair: tuple[Secret, Secret | None] | None = None  # signing keys at the server; None: it's away
    asked: int = 0  # how often for those

    def __post_init__(self) -> None:
        self.patch.setattr(signing, "current_and_previous", self._current_and_previous)

    def _current_and_previous(self, *_: object, **__: object) -> tuple[Secret, Secret | None]:
        self.asked += 1
        if self.pair is None:
            raise Unreachable("the server is away")
        return self.pair

    def forget_keys(self) -> None:
        """What a restart does: no data key is held any longer."""
        use_local_keys(self.keys, self.engine, self.patch)

    def lose_keys(self) -> None:
        """What a restart of a server in dev mode does: other keys, under the same names."""
        self.keys = LocalKeys()
        self.forget_keys()

    def deliver(self, section: str, **values: Any) -> None:
        """Deliver the config with *values* changed, and let the store look."""
        document = copy.deepcopy(self.document)
        document[section] |= values
        deliver(document, self.path)
        self.clock.now += CHECK_INTERVAL

    def register(self, username: str, **changes: Any) -> TestResponse:
        given = {"username": username, "password": PASSWORD, **PERSON, **changes}
        return self.client.post("/register", json=given)

    def login(self, username: str, password: str = PASSWORD) -> TestResponse:
        return self.client.post("/login", json={"username": username, "password": password})

    def customer(self, username: str) -> dict[str, str]:
        """Register and log in; gives the header that proves it."""
        assert self.register(username).status_code == 201
        return {"Authorization": f"Bearer {self.login(username).get_json()['token']}"}


@contextmanager
def open_shop(servers: Servers, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A store on *servers*, an SQLite database in *folder*, and no Vault."""
    patch.setenv("STRONGROOM_SERVICE", "gaara-store")
    patch.setenv("ENVIRONMENT", "development")
    patch.setenv("VAULT_ADDR", f"http://{HOST}:{free_ports(1)[0]}")
    path, clock = folder / "app.json", Clock()
    deliver(servers.document, path)
    engine = create_engine(f"sqlite:///{folder / 'store.db'}", hide_parameters=True)
    local = LocalKeys()
    use_local_keys(local, engine, patch)
    try:
        app = create_app(ConfigFile(StoreConfig, path, clock=clock), engine)
        yield Shop(app.test_client(), engine, path, servers.document, clock, patch, local)
    finally:
        redaction.uninstall()
        engine.dispose()
