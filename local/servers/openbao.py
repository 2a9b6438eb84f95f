"""Secrets server: OpenBao with one-node raft storage, a seal key file and two audit logs.

This module and its template contain all features of OpenBao that HashiCorp's Vault does not have:
the ``static`` seal, and audit devices that are declared in the configuration. In containers
:mod:`.audit_logs` has another way for these; docs/Servers.md compares the two servers.
"""

from __future__ import annotations

import secrets
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, Sealed, ServerError
from app_integration.secret import Secret
from local.files import ensure_private_folder
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes import binaries
from local.processes.processes import ProcessManager
from local.processes.program import Program, Running
from local.runtime_interface import StartFailed
from local.servers import vault_state
from local.servers.hcl import render
from local.servers.server_process import Server
from vault.owned_folder import remove_tree

if TYPE_CHECKING:
    from app_integration.transport.http import Transport

START_SECONDS: Final = 30.0
#: Seconds in which a server that an interrupted command has just started unseals itself.
UNSEAL_SECONDS: Final = 5.0
SEAL_KEY_BYTES: Final = 32
#: Bytes of a request. A batch of Transit items is the largest that is sent; each name in a request
#: stands in two lines of the audit log, three times and with up to six bytes for one.
MAX_REQUEST: Final = 12 * 2**20


class OpenBao(Server):
    """Secrets server, whose files are in ``vault/``.

    Until :meth:`mark_bootstrapped` is called, it contains nothing of value, and its root token may
    be lost. So a start erases the data of a server that is not marked.
    """

    name = "vault"
    title = "OpenBao (secrets)"
    port_names = ("vault", "vault_cluster")
    folder_name = "vault"

    def __init__(self, layout: Layout, ports: Ports, processes: ProcessManager) -> None:
        super().__init__(layout, ports, processes)
        self._cluster = f"{HOST}:{ports.vault_cluster}"
        self.root_token: Secret | None = None

    @property
    def address(self) -> str:
        """Return the URL of its API and web page."""
        return f"http://{HOST}:{self.port}"

    @property
    def agent_address(self) -> str:
        """Return the URL of its API for the agents: its socket, if that is possible.

        Unlike a port, a socket in the deployment's private folder is always this server's.
        """
        socket = self._layout.vault_socket
        return f"unix://{socket}" if socket else self.address

    @property
    def is_bootstrapped(self) -> bool:
        """Return whether it has data, and is marked as completely set up."""
        data = self._layout.vault_data
        return self._marker.exists() and data.is_dir() and any(data.iterdir())

    def mark_bootstrapped(self) -> None:
        """Mark the server as completely set up, so that later starts keep its data."""
        write_private(self._marker, "")
        self.root_token = None

    def is_ready(self) -> bool:
        """Return whether it is running on the configured ports, and is completely set up."""
        socket = self._layout.vault_socket
        has_socket = socket is None or socket.exists()
        return super().is_ready() and self.is_bootstrapped and has_socket

    def start(self) -> None:
        """Start the server, and wait until it is active.

        A new server is initialised too, and :attr:`root_token` is set.
        """
        was_running = self.find() is not None
        is_new = not self.is_bootstrapped
        if is_new:
            self._erase_data()
        self._require_seal_key(is_new=is_new)
        write_private(self._layout.vault_configuration, self._render())
        running = self._processes.start(self._program())
        with closing(self._transport()) as transport:
            if is_new:
                is_reachable = partial(vault_state.is_reachable, transport)
                self._processes.wait_until(running, is_reachable, START_SECONDS)
                self.check_listener()
                self.root_token = self._initialise(transport)
            if was_running:
                self._reject_sealed(running, transport)
            is_active = partial(vault_state.is_active, transport)
            self._processes.wait_until(running, is_active, START_SECONDS)

    def find_problem(self) -> str | None:
        """Return that it is sealed, if it is."""
        with closing(self._transport()) as transport:
            is_sealed = self.is_listening() and vault_state.is_sealed(transport)
        return "sealed" if is_sealed else None

    def _transport(self) -> Transport:
        from app_integration.transport.http import Transport  # noqa: PLC0415 (down sends no request)

        return Transport(self.address, cacert=None, connect_timeout=1.0)

    def _reject_sealed(self, running: Running, transport: Transport) -> None:
        """Check that it is not sealed.

        It stays sealed until a restart, in case that was intended.
        """
        if not vault_state.is_sealed(transport):
            return
        with suppress(StartFailed):
            is_active = partial(vault_state.is_active, transport)
            self._processes.wait_until(running, is_active, UNSEAL_SECONDS)
        if vault_state.is_sealed(transport):
            raise Sealed(
                f"{self.title} is sealed; to unseal it, run strongroom down, then strongroom up"
            )

    def _initialise(self, transport: Transport) -> Secret:
        """Initialise the server, store its recovery key, and return its root token."""
        shares = {"recovery_shares": 1, "recovery_threshold": 1}
        try:
            response = vault_state.initialise(transport, shares)
        except ServerError as error:
            raise self._processes.failure(self.name, f"not initialised ({error})") from None
        write_private(self._recovery_key, response["recovery_keys_base64"][0])
        return Secret(response["root_token"])

    def _erase_data(self) -> None:
        self._marker.unlink(missing_ok=True)
        self._recovery_key.unlink(missing_ok=True)
        remove_tree(self._layout.vault_data)
        ensure_private_folder(self._layout.vault_data)

    def _require_seal_key(self, *, is_new: bool) -> None:
        if is_new:
            # Write no line end, because the server accepts exactly 64 digits.
            write_private(self._seal_key, secrets.token_hex(SEAL_KEY_BYTES))
        elif not self._seal_key.exists():
            raise ConfigurationError(
                f"{self._seal_key} is missing, and the data in {self._layout.vault_data} cannot"
                " be read without it; restore it from a backup, or erase the deployment with:"
                " strongroom reset"
            )

    def _render(self) -> str:
        return render(
            "server.hcl.j2",
            address=self.address,
            cluster_address=f"http://{self._cluster}",
            data=self._layout.vault_data,
            listen=f"{HOST}:{self.port}",
            cluster_listen=self._cluster,
            socket=self._layout.vault_socket,
            max_request_size=MAX_REQUEST,
            seal_key=f"file://{self._seal_key}",  # not encoded, because the server decodes nothing
            audit_logs=self._layout.audit_logs,
        )

    def _program(self) -> Program:
        return Program(
            name=self.name,
            command=(
                str(binaries.openbao_path()),
                "server",
                f"-config={self._layout.vault_configuration}",
            ),
            folder=self._layout.vault,
            ports=self.ports,
        )

    @property
    def _seal_key(self) -> Path:
        return self._layout.vault / "seal-key"

    @property
    def _recovery_key(self) -> Path:
        return self._layout.vault / "recovery-key"

    @property
    def _marker(self) -> Path:
        return self._layout.vault / "bootstrapped"
