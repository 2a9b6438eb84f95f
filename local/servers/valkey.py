"""Redis server, which is Valkey.

It requires a password, listens on 127.0.0.1 only, and stores its data in an append-only file.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from typing import Final

from app_integration._internal.private_file import write_private
from app_integration.secret import Secret
from local.files import ensure_private_folder
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes import binaries
from local.processes.processes import ProcessManager
from local.processes.program import Program
from local.servers.redis_accounts import RedisAccount, RedisManager
from local.servers.server_process import Server
from vault.owned_folder import remove_tree

START_SECONDS: Final = 15.0


class Valkey(Server):
    """Redis server, whose files are in ``redis/``."""

    name = "redis"
    title = "Valkey (Redis)"
    port_names = ("redis",)
    folder_name = "redis"

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        processes: ProcessManager,
        managers: Sequence[RedisManager] = (),
    ) -> None:
        super().__init__(layout, ports, processes)
        self._managers = managers
        self._account = RedisAccount(layout, self.port)

    def url(self) -> Secret:
        """Return the URL that the application gets as ``redis-url``."""
        return self._account.url()

    def delete_data(self) -> None:
        """Delete the data of the stopped server."""
        remove_tree(self._layout.redis)
        ensure_private_folder(self._layout.redis)

    def start(self) -> None:
        """Write its configuration, start it, and wait until it accepts the password."""
        configuration = self._layout.redis / "valkey.conf"
        write_private(configuration, self._account.configuration(HOST, self._managers))
        program = Program(
            name=self.name,
            # It takes a path with [, * or ? for a pattern, and goes on without any file.
            command=(str(binaries.valkey_path()), glob.escape(str(configuration.absolute()))),
            folder=self._layout.redis,
            ports=self.ports,
        )
        running = self._processes.start(program)
        # Its listener is checked first, because the password is sent to find out.
        self._processes.wait_until(
            running, lambda: self.is_listening() and self._account.is_accepted(), START_SECONDS
        )
