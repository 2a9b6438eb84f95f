"""Backends of one application's secrets, so that the same tests run on each of them."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.auth.methods import AppRole
from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.client import Client
from app_integration.names import VALUE_KEY, Environment, Scope
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from app_integration.testing.application import (
    ENVIRONMENT,
    FILES,
    Application,
    MemoryApplication,
    application_on_server,
    in_memory,
)
from app_integration.testing.dev_server import RealServer
from app_integration.testing.faults import Fault
from app_integration.transport.request import Request, RequestSender, Response
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.aws_fault_server import AwsFaultServer, aws_fault_server
from tests.support.servers.moto_server import REGION, MotoServer, set_identity
from tests.support.servers.scripted_server import Clock
from tests.support.servers.tcp_proxy import TcpProxy, tcp_proxy

#: Short, because the outages of the tests last until they end.
LIMITS: Final = Limits(deadline=3.0, retry_window=0.05, retry_base=0.01)
_START: Final = 30.0  # seconds, to build the first client
#: Of a connection whose calls build its clients, each of which takes longer than a call.
PATIENT: Final = replace(LIMITS, deadline=_START)
_KV: Final = "secret/data/"
_READS: Final = {"GetSecretValue", "BatchGetSecretValue"}


class SecretBackend(ABC):
    """A backend with the client of one application, whose caches use the backend's clock."""

    source: str
    client: Client
    clock: Clock
    audit_file: Path

    @abstractmethod
    def put(self, name: str, value: str, **fields: str) -> None:
        """Write *value*, and further *fields* beside it, as the next version of a secret."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a secret in the way that can be undone."""

    def advance(self, seconds: float) -> None:
        """Advance the clock of the client's caches."""
        self.clock.sleep(seconds)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit_file.read_text("utf-8").splitlines()]


class ServerBackend(SecretBackend):
    """A backend with a server, which can deny and be unavailable."""

    @abstractmethod
    def count_reads(self) -> int:
        """Return the number of reads that were sent."""

    @abstractmethod
    def denied(self) -> AbstractContextManager[None]:
        """Deny all reads during the block."""

    @abstractmethod
    def unavailable(self) -> AbstractContextManager[None]:
        """Make the server unavailable during the block."""


class VaultBackend(ServerBackend):
    source = "vault"

    def __init__(self, application: Application, client: Client) -> None:
        self.application = application
        self.client = client
        audit_file = client.settings.audit_file
        assert audit_file is not None
        self.audit_file = audit_file

    def put(self, name: str, value: str, **fields: str) -> None:
        path = f"{_KV}{self.application.scope.secret(name)}"
        self.application.operator.post(path, {"data": {VALUE_KEY: value, **fields}})

    def delete(self, name: str) -> None:
        self.application.delete(name)


class MemoryVaultBackend(VaultBackend):
    application: MemoryApplication

    def advance(self, seconds: float) -> None:
        self.application.advance(seconds)

    def count_reads(self) -> int:
        seen = self.application.server.seen
        return sum(each.method == "GET" and each.path.startswith(_KV) for each in seen)

    def denied(self) -> AbstractContextManager[None]:
        return self.application.fault(Fault.DENIED, _KV)

    def unavailable(self) -> AbstractContextManager[None]:
        return self.application.fault(Fault.UNREACHABLE)


class RealVaultBackend(VaultBackend):
    """A real server, behind a proxy that can cut connections."""

    def __init__(self, application: Application, proxy: TcpProxy, folder: Path) -> None:
        self._senders: list[CountingSender] = []
        self._proxy = proxy
        self.clock = Clock()
        role_id, secret_id = (folder / name for name in FILES)
        session = Session(
            proxy.address,
            AppRole(role_id, secret_id),
            limits=LIMITS,
            wrap_sender=self._count,
        )
        settings = replace(application.client.settings, limits=LIMITS)
        super().__init__(application, Client(settings, session=session, clock=self.clock))

    def _count(self, sender: RequestSender) -> RequestSender:
        self._senders.append(CountingSender(sender))
        return self._senders[-1]

    def count_reads(self) -> int:
        return sum(sender.reads for sender in self._senders)

    @contextmanager
    def denied(self) -> Iterator[None]:
        path = f"sys/policies/acl/{self.application.scope}"
        policy = self.application.operator.get(path)["data"]["policy"]
        self.application.operator.post(path, {"policy": '# nothing\npath "none" {}'})
        yield
        self.application.operator.post(path, {"policy": policy})

    @contextmanager
    def unavailable(self) -> Iterator[None]:
        self._proxy.conditions.reset = True
        yield
        self._proxy.conditions.reset = False


class CountingSender(RequestSender):
    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender
        self.reads = 0

    def exchange(self, request: Request, **options: Any) -> Response:
        self.reads += request.path.startswith(_KV)
        return self._sender.exchange(request, **options)

    def close(self) -> None:
        self._sender.close()


@dataclass(frozen=True)
class AwsSite:
    """moto's server behind a server of faults, with clients that tests share.

    Building a client takes longer than most tests take.
    """

    operator: Any
    proxy: AwsFaultServer
    connection: AwsConnection


@contextmanager
def aws_site(moto: MotoServer) -> Iterator[AwsSite]:
    """Run the server of faults, and yield both with a connection that has an identity."""
    with aws_fault_server(moto.url) as proxy, pytest.MonkeyPatch.context() as patch:
        set_identity(patch)
        # The settings of a strict environment would refuse an endpoint without TLS.
        connection = AwsConnection(REGION, development=True, endpoint=proxy.url, limits=LIMITS)
        request = AwsRequest("secretsmanager", "ListSecrets", "", {})
        connection.call(request, connection.deadline() + _START)
        yield AwsSite(moto.client("secretsmanager"), proxy, connection)
        connection.close()


class AwsBackend(ServerBackend):
    """Secrets Manager, on :class:`AwsSite`."""

    source = "aws"

    def __init__(self, scope: Scope, site: AwsSite, folder: Path) -> None:
        self.audit_file = folder / "access.jsonl"
        settings = Settings(
            scope, "", backend="aws", aws_region=REGION, audit_file=self.audit_file, limits=LIMITS
        )
        self.clock = Clock()
        self.client = Client(settings, aws=site.connection, clock=self.clock)
        self.operator = site.operator
        self.scope = scope
        self.proxy = site.proxy
        self.proxy.forget()

    def put(self, name: str, value: str, **fields: str) -> None:
        text = json.dumps(fields) if fields else value
        secret = self.scope.secret(name)
        try:
            self.operator.put_secret_value(SecretId=secret, SecretString=text)
        except self.operator.exceptions.ResourceNotFoundException:
            self.operator.create_secret(Name=secret, SecretString=text)

    def delete(self, name: str) -> None:
        self.operator.delete_secret(SecretId=self.scope.secret(name))

    def count_reads(self) -> int:
        return sum(each in _READS for each in self.proxy.operations)

    def denied(self) -> AbstractContextManager[None]:
        return self._failing(faults.denied("secretsmanager:GetSecretValue", "arn:aws:x"))

    def unavailable(self) -> AbstractContextManager[None]:
        return self._failing(faults.failing())

    @contextmanager
    def _failing(self, fault: faults.Fault) -> Iterator[None]:
        self.proxy.faults.update({each: [fault] for each in _READS})
        yield
        self.proxy.faults.clear()


class DotenvBackend(SecretBackend):
    """A ``.env`` file, which only development reads."""

    source = "dotenv"

    def __init__(self, folder: Path) -> None:
        self.audit_file = folder / "access.jsonl"
        self._path = folder / ".env"
        settings = Settings(
            Scope("test", Environment.DEV),
            "",
            audit_file=self.audit_file,
            dotenv_file=self._path,
            limits=LIMITS,
        )
        self._values: dict[str, str] = {}
        self.clock = Clock()
        self.client = Client(settings, clock=self.clock)

    def put(self, name: str, value: str, **fields: str) -> None:  # noqa: ARG002 (it has none)
        self._write({**self._values, name: value})

    def delete(self, name: str) -> None:
        self._write({each: value for each, value in self._values.items() if each != name})

    def _write(self, values: Mapping[str, str]) -> None:
        self._values = {**values}
        lines = [f'{name.replace("-", "_").upper()}="{value}"\n' for name, value in values.items()]
        self._path.write_text("".join(lines), encoding="utf-8")


@contextmanager
def memory_vault(folder: Path) -> Iterator[ServerBackend]:
    with in_memory("test", folder) as application:
        yield MemoryVaultBackend(application, application.client)


@contextmanager
def real_vault(server: RealServer, folder: Path) -> Iterator[ServerBackend]:
    with (
        application_on_server(server.address, server.root_token, folder) as application,
        tcp_proxy(server.address) as proxy,
    ):
        backend = RealVaultBackend(application, proxy, folder)
        yield backend
        backend.client.close()


@contextmanager
def aws(site: AwsSite, folder: Path) -> Iterator[AwsBackend]:
    """Yield an application on AWS, under a unique service name."""
    scope = Scope(f"test-{secrets.token_hex(6)}", ENVIRONMENT)
    backend = AwsBackend(scope, site, folder)
    yield backend
    backend.client.close()


@contextmanager
def dotenv(folder: Path) -> Iterator[SecretBackend]:
    backend = DotenvBackend(folder)
    yield backend
    backend.client.close()
