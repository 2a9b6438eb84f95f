"""Start of a built agent at one of several servers, with real servers of which some are lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.targets.settings import agent_command
from app_integration.testing.ports import free_ports
from local.processes import binaries
from tests.support.polling import wait_until
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer
from tests.support.servers.tcp_proxy import NetworkConditions, TcpProxy, tcp_proxy

pytestmark = pytest.mark.requires("embedded")

SECRET = "secret/data/shop/dev/x"
TEMPLATE = f'{{{{ with secret "{SECRET}" }}}}{{{{ .Data.data.value }}}}{{{{ end }}}}'
CONFIGURATION = """
vault {{
  address = "{address}"
  ca_cert = "{cacert}"
  retry {{
    num_retries = 5
  }}
}}
auto_auth {{
  method "token_file" {{
    exit_on_err = true
    config = {{ token_file_path = "{folder}/token" }}
  }}
}}
template_config {{
  exit_on_retry_failure = true
  static_secret_render_interval = "1s"
}}
template {{
  source = "{folder}/template"
  destination = "{folder}/rendered"
  error_on_missing_key = true
}}
"""


@contextmanager
def proxies(server: AuditedServer, count: int) -> Iterator[list[TcpProxy]]:
    """Yield proxies of *server*, each of which is a node that a test may lose."""
    with tcp_proxy(server.address) as first:
        if count == 1:
            yield [first]
            return
        with proxies(server, count - 1) as others:
            yield [first, *others]


def address_of(node: TcpProxy) -> str:
    return node.address.replace("http://", "https://")  # the proxy passes TLS on


class Agent:
    """A built agent, whose unit starts it again when it has exited."""

    def __init__(self, folder: Path, server: AuditedServer, addresses: Sequence[str]) -> None:
        self.rendered, self._folder = folder / "rendered", folder
        assert server.cacert is not None
        (folder / "token").write_text(ROOT_TOKEN)
        (folder / "template").write_text(TEMPLATE)
        config = folder / "agent.hcl"
        config.write_text(
            CONFIGURATION.format(address=addresses[0], cacert=server.cacert, folder=folder)
        )
        self._command = agent_command(
            str(binaries.openbao_path()), config, addresses, server.cacert
        )

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self._folder / "agent.log").open("ab") as log:
            process = subprocess.Popen(
                self._command, env={"HOME": str(self._folder)}, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)

    def has(self, value: str) -> bool:
        return self.rendered.exists() and self.rendered.read_text() == value


def test_agent_starts_at_the_first_server_that_answers(
    tls_server: AuditedServer, tmp_path: Path
) -> None:
    tls_server.root.post(SECRET, {"data": {"value": "one"}})
    refused = f"https://127.0.0.1:{free_ports(1)[0]}"
    with proxies(tls_server, 2) as (silent, node):
        silent.conditions = NetworkConditions(blackhole=True)
        agent = Agent(tmp_path, tls_server, (refused, address_of(silent), address_of(node)))
        with agent.run():
            wait_until(lambda: agent.has("one"), "the rendered file")
        assert node.connections > 1


def test_agent_without_any_server_says_why_it_fails(
    tls_server: AuditedServer, tmp_path: Path
) -> None:
    ports = free_ports(2)
    agent = Agent(tmp_path, tls_server, [f"https://127.0.0.1:{port}" for port in ports])
    with agent.run():
        log = tmp_path / "agent.log"
        wait_until(
            lambda: f"127.0.0.1:{ports[0]}: connect: connection refused" in log.read_text(),
            "the agent's own error",
        )


@pytest.mark.nightly
def test_agent_whose_server_is_lost_goes_on_at_another(
    tls_server: AuditedServer, tmp_path: Path
) -> None:
    tls_server.root.post(SECRET, {"data": {"value": "one"}})
    with proxies(tls_server, 2) as (first, second):
        agent = Agent(tmp_path, tls_server, (address_of(first), address_of(second)))
        with agent.run() as process:
            wait_until(lambda: agent.has("one"), "the rendered file")
            assert second.connections == 0
            first.conditions = NetworkConditions(reset=True)
            assert process.wait(240) != 0
        tls_server.root.post(SECRET, {"data": {"value": "two"}})
        with agent.run():
            wait_until(lambda: agent.has("two"), "the changed file")
