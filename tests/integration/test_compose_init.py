"""Setup of the secrets server of a deployment in containers, on a server without a container."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from local.docker.init_container import ComposeInit
from local.layout import Layout
from local.listeners import find_listeners
from local.ports import Ports
from tests.support.polling import wait_until
from tests.support.servers.server_program import server_program

pytestmark = pytest.mark.requires("embedded")

#: A configuration with which OpenBao takes audit devices as HashiCorp's Vault does.
OVER_THE_API = "unsafe_allow_api_audit_creation = true\n"


@contextmanager
def new_server(layout: Layout, ports: Ports) -> Iterator[None]:
    """Run a server with the options of ``docker-compose.yml``."""
    options = ("-dev", "-dev-skip-init", "-dev-no-store-token")
    files = (f"-dev-listen-address=127.0.0.1:{ports.vault}", f"-config={layout.vault}/server.hcl")
    with (layout.root / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [server_program(), "server", *options, *files],
            env={"HOME": str(layout.root)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: find_listeners(ports.vault), "a server that listens")
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("configuration", [None, OVER_THE_API], ids=["declared", "over-the-api"])
def test_new_server_logs_to_two_files_whichever_way_it_takes_them(
    tmp_path: Path, configuration: str | None
) -> None:
    layout, ports = Layout(tmp_path / ".strongroom"), Ports(*free_ports(6))
    layout.create()
    layout.postgres.mkdir()  # a volume of its own, in a container
    setup = ComposeInit(layout, ports, ())
    setup.prepare()
    if configuration is not None:
        (layout.vault / "server.hcl").write_text(configuration)
    with new_server(layout, ports):
        token = setup.start().root_token
        assert token is not None
        with Session(ports.vault_address, StaticToken(token)) as root:
            assert sorted(root.get("sys/audit")["data"]) == ["audit-1/", "audit-2/"]
            root.get("sys/auth")
    for log in layout.audit_logs:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert "sys/auth" in {line["request"]["path"] for line in lines}
