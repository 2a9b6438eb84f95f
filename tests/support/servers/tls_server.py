"""Server with TLS and an authority of its own, which keeps its data over a restart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app_integration.auth.methods import StaticToken
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from app_integration.transport.http import Transport
from local.processes import binaries
from local.servers import vault_state
from tests.support.polling import wait_until
from tests.support.servers.issuer import Authority

_STOP = 20.0  # seconds
_CONFIGURATION = """
api_addr = "{address}"
cluster_addr = "https://127.0.0.1:{cluster}"
storage "raft" {{
  path = "{folder}/data"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
}}
seal "static" {{
  current_key_id = "1"
  current_key = "file://{folder}/seal.key"
}}
audit "file" "log" {{ options = {{ file_path = "{folder}/audit.log" }} }}
"""


@dataclass
class TlsServer:
    """A server that is stopped and started again."""

    address: str
    folder: Path
    cacert: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                (str(binaries.openbao_path()), "server", f"-config={self.folder}/server.hcl"),
                env={"HOME": str(self.folder)},
                stdout=log,
                stderr=log,
            )
        transport = self.transport()
        wait_until(lambda: vault_state.is_reachable(transport), "a response of the server")
        transport.close()

    def wait_until_active(self) -> None:
        """Wait until it is unsealed and serves requests."""
        transport = self.transport()
        wait_until(lambda: vault_state.is_active(transport), "an active server")
        transport.close()

    def stop(self) -> None:
        """Stop it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_STOP)

    def initialise(self) -> Session:
        """Initialise it, and return a session with its root token."""
        transport = self.transport()
        shares = {"recovery_shares": 1, "recovery_threshold": 1}
        token = Secret(vault_state.initialise(transport, shares)["root_token"])
        transport.close()
        self.wait_until_active()
        return Session(self.address, StaticToken(token), cacert=self.cacert)

    def transport(self) -> Transport:
        """Return a transport to it."""
        return Transport(self.address, cacert=self.cacert, connect_timeout=1.0)


@contextmanager
def tls_server(folder: Path) -> Iterator[TlsServer]:
    """Run a server that is not initialised yet."""
    port, cluster = free_ports(2)
    authority = Authority()
    certificate, key = authority.issue_server(folder)
    cacert = folder / "vault-ca.pem"
    cacert.write_text(authority.pem)
    (folder / "data").mkdir()
    (folder / "seal.key").write_bytes(os.urandom(32))
    server = TlsServer(f"https://127.0.0.1:{port}", folder, cacert)
    (folder / "server.hcl").write_text(
        _CONFIGURATION.format(
            address=server.address,
            port=port,
            cluster=cluster,
            folder=folder,
            certificate=certificate,
            key=key,
        )
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
