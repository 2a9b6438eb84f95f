"""The accounts that clients use on PostgreSQL, Redis and the mail server of a deployment."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg.pq import PGconn, Ping

from app_integration._internal.private_file import write_private
from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime.files import read_or_create_password
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST
from vault.runtime.servers import postgres_roles
from vault.runtime.servers.postgres_roles import ServiceRoles

CONNECT_SECONDS: Final = 5
REQUEST_SECONDS: Final = 2.0
SUPERUSER: Final = "postgres"
_GREETING: Final = b"+OK\r\n+PONG\r\n"


@dataclass(frozen=True, slots=True)
class Manager:
    """Whom Vault logs in as to make and drop users."""

    username: str
    password_file: Path
    connection_url: str  # with Vault's placeholders for username and password


@dataclass(frozen=True, slots=True)
class DatabaseAccounts:
    """Superuser, manager and application user of the PostgreSQL at *port*."""

    layout: Layout
    port: int
    scope: Scope

    @property
    def _roles(self) -> ServiceRoles:
        return ServiceRoles(self.scope)

    @property
    def manager(self) -> Manager:
        """How Vault reaches the service's database."""
        address = f"{HOST}:{self.port}/{self._roles.database}?sslmode=disable"
        return Manager(
            username=self._roles.manager,
            password_file=self.password_file("manager"),
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}",
        )

    def url(self) -> Secret:
        """The application's ``database-url``, with a user that is nobody's lease."""
        user, password = self._roles.app, self.password("app").reveal()
        return Secret(
            f"postgresql+psycopg://{user}:{quote(password, safe='')}"
            f"@{HOST}:{self.port}/{self._roles.database}"
        )

    def password_file(self, role: str) -> Path:
        """Where the password of *role* is: ``superuser``, ``manager`` or ``app``."""
        return self.layout.passwords / f"database-{role}"

    def password(self, role: str) -> Secret:
        """The password of *role*, made on first use."""
        return read_or_create_password(self.password_file(role))

    def answers(self) -> bool:
        """Whether the server takes connections."""
        return PGconn.ping(f"host={HOST} port={self.port}".encode()) == Ping.OK

    def ensure_roles(self) -> None:
        """Make what is missing of the service's database and roles.

        Raises:
            psycopg.Error: the server refused, or can't be reached.

        """
        manager, app = self.password("manager"), self.password("app")
        with self.superuser() as superuser:
            postgres_roles.ensure(superuser, self._roles, manager, app)
        with self.superuser(self._roles.database) as superuser:
            postgres_roles.own_schema(superuser, self._roles)

    def let_manage(self, user: str) -> None:
        """Let the manager set the password of *user*.

        Raises:
            psycopg.Error: there is no such user.

        """
        with self.superuser() as superuser:
            postgres_roles.let_manage(superuser, self._roles.manager, user)

    def set_password(self, user: str, password: Secret) -> None:
        """Set the password of *user*.

        Raises:
            psycopg.Error: as :meth:`let_manage`.

        """
        with self.superuser() as superuser:
            postgres_roles.set_password(superuser, user, password)

    def keep_password(self, user: str, password: Secret) -> None:
        """Remember *password* of the application's user, if *user* is that one."""
        if user == self._roles.app:
            write_private(self.password_file("app"), password.reveal())

    def reset_manager(self) -> None:
        """Give manager and application their first passwords again: a new server knows no other.

        Raises:
            psycopg.Error: as :meth:`ensure_roles`.

        """
        with self.superuser() as superuser:
            postgres_roles.reset_manager(superuser, self._roles, self.password("manager"))
            postgres_roles.set_password(superuser, self._roles.app, self.password("app"))

    def superuser(self, database: str = "postgres") -> psycopg.Connection:
        """As superuser, committing each statement. The shell's PG* variables have no say."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            dbname=database,
            user=SUPERUSER,
            password=self.password("superuser").reveal(),
            sslmode="disable",
            gssencmode="disable",
            options="",
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        )


@dataclass(frozen=True, slots=True)
class RedisAccount:
    """The one account of the Redis server at *port*."""

    layout: Layout
    port: int

    def url(self) -> Secret:
        """The application's ``redis-url``."""
        return Secret(f"redis://:{self.password().reveal()}@{HOST}:{self.port}/0")

    def password(self) -> Secret:
        """Its password, made on first use."""
        return read_or_create_password(self.layout.passwords / "redis")

    def configuration(self, bind: str) -> str:
        """The server's configuration file; it listens on the address *bind*."""
        lines = (
            f"bind {bind}",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self.password().reveal()}",
            "daemonize no",
            # No snapshots: when one fails, the server refuses to write.
            'save ""',
            "appendonly yes",
            "dir .",
        )
        return "\n".join(lines) + "\n"

    def answers(self) -> bool:
        """Whether it takes our password, and so is ours."""
        request = f"AUTH {self.password().reveal()}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((HOST, self.port), REQUEST_SECONDS) as connection:
                connection.sendall(request)
                return _receive(connection, len(_GREETING)) == _GREETING
        except OSError:
            return False


def smtp_password_file(layout: Layout) -> Path:
    """Where the mail account's password is."""
    return layout.passwords / "smtp"


def smtp_password(layout: Layout) -> Secret:
    """The application's ``smtp-password``, made on first use."""
    return read_or_create_password(smtp_password_file(layout))


def _receive(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (chunk := connection.recv(count - len(received))):
        received += chunk
    return received
