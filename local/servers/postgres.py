"""Database server, PostgreSQL.

It requires a password on every connection, and listens on 127.0.0.1 only, not on a Unix socket.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from typing import Final

from app_integration._internal.private_file import write_private
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes import binaries
from local.processes.processes import ProcessManager
from local.processes.program import Program
from local.servers import postgres_home
from local.servers.accounts import DatabaseAccounts, Superuser
from local.servers.postgres_home import Home
from local.servers.server_process import Server

START_SECONDS: Final = 30.0
INITDB_SECONDS: Final = 60.0

_HBA: Final = f"host all all {HOST}/32 scram-sha-256\n"
_INITDB: Final = (*postgres_home.INITDB, "--data-checksums")
_SETTINGS: Final = (
    f"listen_addresses={HOST}",
    "unix_socket_directories=",
    "password_encryption=scram-sha-256",
    "timezone=UTC",
    "log_timezone=UTC",
    # A failed statement may contain a password, and an error's detail the row, so that neither
    # is logged.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
)


class Postgres(Server):
    """PostgreSQL server with the services' *databases*, whose files are in ``postgres/``."""

    name = "database"
    title = "PostgreSQL"
    port_names = ("database",)
    folder_name = "postgres"

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        processes: ProcessManager,
        databases: Sequence[DatabaseAccounts],
    ) -> None:
        super().__init__(layout, ports, processes)
        self._superuser = Superuser(layout, self.port, self.check_listener)
        self._databases = databases

    def start(self) -> None:
        """Start the server, and create what is missing: its files, the databases and the roles."""
        home = postgres_home.prepare(self._layout, binaries.postgres_folder())
        if not home.data.exists():
            self._create_cluster(home)
        if self.find() is None:
            # A new server would not start while they use the shared memory of the killed one.
            postgres_home.kill_processes(home.data.resolve())
        running = self._processes.start(self._program(home))
        is_ready = self._superuser.is_server_reachable
        self._processes.wait_until(
            running, lambda: self.is_listening() and is_ready(), START_SECONDS
        )
        self._ensure_roles()

    def erase(self) -> None:
        """Remove the data that a server started by root has outside the deployment's folder."""
        postgres_home.erase(self._layout)

    def delete_data(self) -> bool:
        """Delete the databases of the stopped server, and return whether there were any."""
        home = postgres_home.prepare(self._layout, binaries.postgres_folder())
        has_data = home.data.exists()
        shutil.rmtree(home.data, ignore_errors=True)
        return has_data

    def _create_cluster(self, home: Home) -> None:
        """Create the cluster's files in a temporary folder, and rename it once it is complete."""
        unfinished = home.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = home.folder / "initial-password"
        password = self._superuser.password()
        write_private(password_file, password.reveal(), owner=home.owner)
        options = (f"--pgdata={unfinished}", f"--pwfile={password_file}", *_INITDB)
        try:
            program = self._command(home, "initdb", *options)
            self._processes.run_and_wait(program, INITDB_SECONDS)
        finally:
            password_file.unlink(missing_ok=True)
        write_private(unfinished / "pg_hba.conf", _HBA, owner=home.owner)
        unfinished.rename(home.data)

    def _program(self, home: Home) -> Program:
        settings = (f"port={self.port}", *_SETTINGS)
        options = [option for setting in settings for option in ("-c", setting)]
        return self._command(home, "postgres", "-D", str(home.data), *options)

    def _command(self, home: Home, binary: str, *options: str) -> Program:
        return Program(
            name=self.name,
            command=(home.binary(binary), *options),
            folder=home.folder,
            ports=self.ports,
            user=home.user,
            stop_signal=signal.SIGINT,  # because SIGTERM would wait for all clients to disconnect
        )

    def _ensure_roles(self) -> None:
        import psycopg  # noqa: PLC0415 (a server that runs needs none of it)

        for accounts in self._databases:
            try:
                accounts.ensure_roles()
            except psycopg.Error as error:
                reason = accounts.describe_failure(error)
                raise self._processes.failure(self.name, reason) from None
