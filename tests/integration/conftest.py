"""Fixtures of tests that run against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app_integration import database_engine, use_data_keys, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from console.target.target import Target
from local.runtimes.embedded_runtime import EmbeddedRuntime
from tests.support.processes.agent_fleet import AgentFleet, agent_fleet
from tests.support.processes.command import CommandLine
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.deployment import Deployment
from tests.support.servers.moto_server import MotoServer, moto_server
from tests.support.servers.provisioning_site import ProvisioningSite, provisioning_site
from tests.support.servers.secret_backends import AwsSite
from tests.support.servers.secret_backends import aws_site as run_aws_site
from tests.support.servers.store_parts import Servers, Shop, open_shop, running_servers


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """Return the command ``strongroom`` in this process."""
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def archivable(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Let the command use the shared deployment, and give its logs their lines back."""
    if not isinstance(deployment.local.servers, EmbeddedRuntime):
        pytest.skip("the logs of containers are in a volume")
    monkeypatch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    before = {path: path.read_bytes() for path in deployment.layout.audit_logs}
    yield deployment
    for path, content in before.items():
        with path.open("ab", buffering=0) as file:  # in one piece, because the server writes, too
            assert file.write(content) == len(content)


@pytest.fixture
def key_engine(default_client_on_server: None) -> Iterator[Engine]:
    """Yield an engine of the deployment's database, whose tables of keys the client uses."""
    del default_client_on_server
    engine = database_engine()
    keys, indexes = TableDataKeys(engine, "own_data_keys"), TableIndexKeys(engine, "own_index_keys")
    keys.create()
    indexes.create()
    use_data_keys(keys)
    use_index_keys(indexes)
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE own_data_keys, own_index_keys"))


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """Start one server of AWS services for the test run."""
    with moto_server() as running:
        yield running


@pytest.fixture(scope="module")
def running_site(moto: MotoServer) -> Iterator[ProvisioningSite]:
    with provisioning_site(moto) as running:
        yield running


@pytest.fixture(scope="session")
def aws_site(moto: MotoServer) -> Iterator[AwsSite]:
    """Start a server of faults before it, and open a connection."""
    with run_aws_site(moto) as site:
        yield site


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("tls-server"), tls=True) as started:
        yield started


@pytest.fixture
def fleet(server: AuditedServer, tmp_path: Path) -> Iterator[AgentFleet]:
    with agent_fleet(server, tmp_path) as created:
        yield created


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Run the servers that the example store uses, without a secrets server."""
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def shop(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Open the example store on them, with an empty database."""
    with open_shop(servers, tmp_path, monkeypatch) as opened:
        yield opened
