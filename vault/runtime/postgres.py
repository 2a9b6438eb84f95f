"""The database server: passwords on every connection, 127.0.0.1 only, no Unix socket."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil
import psycopg
from psycopg.pq import PGconn, Ping

from app_integration.files import write_private
from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime import binaries, postgres_home, postgres_roles
from vault.runtime.files import read_or_create_password
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.postgres_home import Home
from vault.runtime.postgres_roles import ServiceRoles
from vault.runtime.processes import KILL_SECONDS, Processes
from vault.runtime.program import Program
from vault.runtime.server import Server

START_SECONDS: Final = 30.0
INITDB_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 5
SUPERUSER: Final = "postgres"

_HBA: Final = f"host all all {HOST}/32 scram-sha-256\n"
_INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)
_SETTINGS: Final = (
    f"listen_addresses={HOST}",
    "unix_socket_directories=",
    "password_encryption=scram-sha-256",
    "timezone=UTC",
    "log_timezone=UTC",
    # A failed statement may hold a password, and an error's detail the row: neither is logged.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
)


@dataclass(frozen=True, slots=True)
class Manager:
    """Whom Vault logs in as to make and drop users."""

    username: str
    password_file: Path
    connection_url: str  # with Vault's placeholders for username and password


class Postgres(Server):
    """The server with one service's database, its files in ``postgres/``."""

    name = "database"
    title = "PostgreSQL"
    port_names = ("database",)

    def __init__(self, layout: Layout, ports: Ports, processes: Processes, scope: Scope) -> None:
        super().__init__(layout, ports, processes)
        self._roles = ServiceRoles(scope)

    @property
    def manager(self) -> Manager:
        """How Vault reaches the service's database."""
        address = f"{HOST}:{self.port}/{self._roles.database}?sslmode=disable"
        return Manager(
            username=self._roles.manager,
            password_file=self._layout.passwords / "database-manager",
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}",
        )

    def url(self) -> Secret:
        """The application's ``database-url``, with a user that is nobody's lease."""
        user, password = self._roles.app, self._password("app").reveal()
        return Secret(
            f"postgresql+psycopg://{user}:{quote(password, safe='')}"
            f"@{HOST}:{self.port}/{self._roles.database}"
        )

    def start(self) -> None:
        """Start it, with database and roles; the first time makes its files."""
        home = postgres_home.prepare(self._layout, binaries.postgres())
        if not home.data.exists():
            self._create_cluster(home)
        if self.find() is None:
            _end_orphans(home)
        running = self._processes.start(self._program(home))
        self._processes.wait_until(running, self._answers, START_SECONDS)
        self._ensure_roles()

    def erase(self) -> None:
        """Remove the data, where root had to put it elsewhere."""
        postgres_home.erase(self._layout)

    def _create_cluster(self, home: Home) -> None:
        """Make the files beside their place, and move them there once they are complete."""
        unfinished = home.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = home.folder / "initial-password"
        write_private(password_file, self._password("superuser").reveal(), owner=home.owner)
        options = (f"--pgdata={unfinished}", f"--pwfile={password_file}", *_INITDB)
        try:
            self._processes.complete(self._run(home, "initdb", *options), INITDB_SECONDS)
        finally:
            password_file.unlink(missing_ok=True)
        write_private(unfinished / "pg_hba.conf", _HBA, owner=home.owner)
        unfinished.rename(home.data)

    def _program(self, home: Home) -> Program:
        settings = (f"port={self.port}", *_SETTINGS)
        options = [option for setting in settings for option in ("-c", setting)]
        return self._run(home, "postgres", "-D", str(home.data), *options)

    def _run(self, home: Home, binary: str, *options: str) -> Program:
        return Program(
            name=self.name,
            command=(home.binary(binary), *options),
            folder=home.folder,
            ports=self.ports,
            user=home.user,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        )

    def _answers(self) -> bool:
        return PGconn.ping(f"host={HOST} port={self.port}".encode()) == Ping.OK

    def _ensure_roles(self) -> None:
        manager, app = self._password("manager"), self._password("app")
        try:
            with self._connect("postgres") as superuser:
                postgres_roles.ensure(superuser, self._roles, manager, app)
            with self._connect(self._roles.database) as superuser:
                postgres_roles.own_schema(superuser, self._roles)
        except psycopg.Error as error:
            reason = f"its roles can't be made ({error.sqlstate or 'no connection'})"
            raise self._processes.failure(self.name, reason) from None

    def _connect(self, database: str) -> psycopg.Connection:
        """As superuser, committing each statement. The shell's PG* variables have no say."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            dbname=database,
            user=SUPERUSER,
            password=self._password("superuser").reveal(),
            sslmode="disable",
            gssencmode="disable",
            options="",
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        )

    def _password(self, role: str) -> Secret:
        return read_or_create_password(self._layout.passwords / f"database-{role}")


def _end_orphans(home: Home) -> None:
    """Kill sessions that outlived a killed server: they hold its memory, and block a new one."""
    data = str(home.data.resolve())
    for process in psutil.process_iter():
        try:
            if process.cwd() == data and process.name() == "postgres":
                process.kill()
                process.wait(KILL_SECONDS)
        except psutil.Error:
            continue
