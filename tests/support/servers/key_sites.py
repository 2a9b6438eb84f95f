"""Backends whose keys an application encrypts with, for tests that all of them have to pass."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration import default_client
from app_integration.auth.methods import StaticToken
from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.client import Client
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from tests.support.models.index_parts import Rows
from tests.support.servers.dev_server import ROOT_TOKEN
from tests.support.servers.moto_server import IDENTITY, REGION
from tests.support.servers.secret_backends import AwsSite

KEYS: Final = ("pii", "index", "other")
LIMITS: Final = Limits(deadline=5.0, retry_window=0.2, retry_base=0.01, retry_max=0.02)
_START: Final = 30.0  # seconds
#: Numbers of services, because a key is never deleted during a test run.
_NUMBERS = itertools.count(1)


class KeySite(ABC):
    """One service on a backend, which no other test has, with a key for each name in KEYS."""

    backend: str
    connection: AwsConnection | None = None

    def __init__(self, folder: Path) -> None:
        self.scope = Scope(f"parcels-{next(_NUMBERS)}", Environment.DEV)
        self.folder = folder
        self.index_keys = Rows()
        for key in KEYS:
            self.create_key(self.scope.key(key))

    @abstractmethod
    def create_key(self, name: str) -> None:
        """Create the key *name*."""

    @abstractmethod
    def rotate(self, key: str) -> None:
        """Make the service wrap with a new version of *key*."""

    @abstractmethod
    def count_requests(self, operation: str) -> int:
        """Return how often the keys of the service were used to ``encrypt``, ``decrypt`` etc."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings of the backend."""

    def open_session(self) -> Session | None:
        """Return the session of a process; None for that of the settings."""
        return None

    def client(self, *, scope: Scope | None = None, limits: Limits = LIMITS) -> Client:
        """Return the client of another process, which writes keyring tokens."""
        client = self.text_client(scope=scope, limits=limits)
        client.use_data_keys(FileDataKeys(self.folder / "data_keys.json"))
        client.use_index_keys(self.index_keys)
        return client

    def text_client(self, *, scope: Scope | None = None, limits: Limits = LIMITS) -> Client:
        """Return the client of another process, which writes text tokens."""
        settings = self._settings(scope or self.scope, limits)
        return Client(settings, session=self.open_session(), aws=self.connection)

    def configure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Use the backend for the functions of the package, from the settings alone."""
        for name, value in self.variables().items():
            monkeypatch.setenv(name, value)
        default_client.configure(self._settings(self.scope, LIMITS), session=self.open_session())

    def variables(self) -> dict[str, str]:
        """Return the variables that the backend's library reads."""
        return {}

    def _settings(self, scope: Scope, limits: Limits) -> Settings:
        return Settings(scope=scope, backend=self.backend, limits=limits, **self.settings())


class VaultSite(KeySite):
    backend = "vault"
    address: str
    operator: Session

    def create_key(self, name: str) -> None:
        self.operator.post(f"transit/keys/{name}", {"derived": True})

    def rotate(self, key: str) -> None:
        self.operator.post(f"transit/keys/{self.scope.key(key)}/rotate", {})

    def settings(self) -> dict[str, Any]:
        return {"vault_addr": self.address}


class CountingSession(Session):
    def __init__(self, address: str, posted: list[str]) -> None:
        super().__init__(address, StaticToken(Secret(ROOT_TOKEN)))
        self._posted = posted

    def post(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        self._posted.append(path)
        return super().post(path, *arguments, **options)


class ServerSite(VaultSite):
    """A service whose keys are in Transit of a real server."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self._posted = address, list[str]()
        self.operator = CountingSession(address, [])
        super().__init__(folder)

    def open_session(self) -> Session:
        return CountingSession(self.address, self._posted)

    def count_requests(self, operation: str) -> int:
        prefix = f"transit/{operation}/{self.scope}-"
        return sum(path.startswith(prefix) for path in self._posted)


class MemorySite(VaultSite):
    """A service whose keys are in Transit of a server in memory."""

    address = "https://vault.invalid"

    def __init__(self, folder: Path) -> None:
        self.server = MemoryVault()
        self.operator = self.open_session()
        super().__init__(folder)

    def open_session(self) -> Session:
        token = self.server.tokens.issue("tests", ("root",), ttl=float("inf"))
        return Session(ADDRESS, StaticToken(Secret(token.value)), connect=lambda: self.server)

    def count_requests(self, operation: str) -> int:
        return sum(self.server.count(f"transit/{operation}/{self.scope.key(key)}") for key in KEYS)


class KmsSite(KeySite):
    """A service whose keys are in KMS, as moto has it, behind a server that can fail."""

    backend = "aws"
    _OPERATIONS: Final = {"encrypt": "Encrypt", "decrypt": "Decrypt", "rewrap": "ReEncrypt"}

    def __init__(self, kms: Any, servers: AwsSite, folder: Path) -> None:
        self.kms, self.proxy, self.connection = kms, servers.proxy, servers.connection
        self.keys: list[str] = []
        super().__init__(folder)
        warm_up(self.connection)
        self.proxy.operations.clear()

    def create_key(self, name: str) -> None:
        self._use_new_key(self.kms.create_alias, name)

    def rotate(self, key: str) -> None:
        self._use_new_key(self.kms.update_alias, self.scope.key(key))

    def _use_new_key(self, assign: Callable[..., object], name: str) -> None:
        key = self.kms.create_key()["KeyMetadata"]
        assign(AliasName=f"alias/{name}", TargetKeyId=key["KeyId"])
        self.keys.append(key["Arn"])

    def settings(self) -> dict[str, Any]:
        return {"vault_addr": "", "aws_region": REGION, "kms_keys": tuple(self.keys)}

    def variables(self) -> dict[str, str]:
        return {**IDENTITY, "AWS_ENDPOINT_URL": self.proxy.url}

    def count_requests(self, operation: str) -> int:
        return self.proxy.operations.count(self._OPERATIONS[operation])


def warm_up(connection: AwsConnection) -> None:
    """Build the client of KMS, which takes longer than the requests of the tests."""
    connection.call(AwsRequest("kms", "ListKeys", "", {}), connection.deadline() + _START)
