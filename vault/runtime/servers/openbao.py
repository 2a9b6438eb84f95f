"""The secrets server: one-node raft storage, unsealed by a key file, two audit logs.

What only OpenBao has, and HashiCorp's Vault doesn't, stays in this module and its template: the
``static`` seal, and audit devices declared in the configuration.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, ServerError
from app_integration.secret import Secret
from app_integration.transport.http import Transport
from vault.runtime.files import private_folder
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes import binaries
from vault.runtime.processes.processes import Processes
from vault.runtime.processes.program import Program
from vault.runtime.servers import vault_state
from vault.runtime.servers.hcl import render
from vault.runtime.servers.server import Server

START_SECONDS: Final = 30.0
SEAL_KEY_BYTES: Final = 32


class OpenBao(Server):
    """The server, its files in ``vault/``.

    Until :meth:`mark_bootstrapped`, nothing of value is in it and nobody may have kept its root
    token. So a start that finds an unmarked server begins again with an empty one.
    """

    name = "vault"
    title = "OpenBao (secrets)"
    port_names = ("vault", "vault_cluster")

    def __init__(self, layout: Layout, ports: Ports, processes: Processes) -> None:
        super().__init__(layout, ports, processes)
        self._cluster = f"{HOST}:{ports.vault_cluster}"
        self.root_token: Secret | None = None

    @property
    def address(self) -> str:
        """URL of API and web page."""
        return f"http://{HOST}:{self.port}"

    @property
    def bootstrapped(self) -> bool:
        """Whether it holds data, and the marker says that it was set up to the end."""
        data = self._layout.vault_data
        return self._marker.exists() and data.is_dir() and any(data.iterdir())

    def mark_bootstrapped(self) -> None:
        """Set up to the end: from now on its data is kept."""
        write_private(self._marker, "")
        self.root_token = None

    def ready(self) -> bool:
        """Whether it runs, on the right ports, and holds what is worth keeping."""
        return super().ready() and self.bootstrapped

    def start(self) -> None:
        """Start it; a new one is initialised too, and :attr:`root_token` set."""
        fresh = not self.bootstrapped
        if fresh:
            self._erase_data()
        self._require_seal_key(fresh=fresh)
        write_private(self._configuration, self._render())
        running = self._processes.start(self._program())
        with closing(Transport(self.address, cacert=None, connect_timeout=1.0)) as transport:
            if fresh:
                up = partial(vault_state.answers, transport)
                self._processes.wait_until(running, up, START_SECONDS)
                self.root_token = self._initialise(transport)
            active = partial(vault_state.active, transport)
            self._processes.wait_until(running, active, START_SECONDS)

    def _initialise(self, transport: Transport) -> Secret:
        """Create its storage keys; gives the root token, which is kept nowhere."""
        shares = {"recovery_shares": 1, "recovery_threshold": 1}
        try:
            answer = vault_state.initialise(transport, shares)
        except ServerError as error:
            raise self._processes.failure(self.name, f"not initialised ({error})") from None
        write_private(self._recovery_key, answer["recovery_keys_base64"][0])
        return Secret(answer["root_token"])

    def _erase_data(self) -> None:
        self._marker.unlink(missing_ok=True)
        self._recovery_key.unlink(missing_ok=True)
        shutil.rmtree(self._layout.vault_data, ignore_errors=True)
        private_folder(self._layout.vault_data)

    def _require_seal_key(self, *, fresh: bool) -> None:
        if fresh:
            # The server takes exactly 64 digits: no line end.
            write_private(self._seal_key, secrets.token_hex(SEAL_KEY_BYTES))
        elif not self._seal_key.exists():
            raise ConfigurationError(
                f"{self._seal_key} is gone, and the data in {self._layout.vault_data} can't be"
                " read without it; bring it back, or erase the deployment with: make vault-reset"
            )

    def _render(self) -> str:
        return render(
            "server.hcl.j2",
            address=self.address,
            cluster_address=f"http://{self._cluster}",
            data=self._layout.vault_data,
            listen=f"{HOST}:{self.port}",
            cluster_listen=self._cluster,
            seal_key=f"file://{self._seal_key}",  # taken as it is, not decoded as a URL
            audit_logs=self._layout.audit_logs,
        )

    def _program(self) -> Program:
        return Program(
            name=self.name,
            command=(str(binaries.openbao()), "server", f"-config={self._configuration}"),
            folder=self._layout.vault,
            ports=self.ports,
        )

    @property
    def _configuration(self) -> Path:
        return self._layout.vault / "server.hcl"

    @property
    def _seal_key(self) -> Path:
        return self._layout.vault / "seal-key"

    @property
    def _recovery_key(self) -> Path:
        return self._layout.vault / "recovery-key"

    @property
    def _marker(self) -> Path:
        return self._layout.vault / "bootstrapped"
