"""Accounts on a deployment's PostgreSQL and mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from app_integration._internal.private_file import write_private
from app_integration.names import Scope
from app_integration.secret import Secret
from local.files import ensure_private_folder, read_or_create_password
from local.layout import Layout
from local.ports import HOST
from local.servers.service_roles import ServiceRoles

if TYPE_CHECKING:
    import psycopg

    from local.servers.postgres_roles import ServerRoles

CONNECT_SECONDS: Final = 5
SUPERUSER: Final = "postgres"
#: Alertmanager's account at the mail server, beside those of the services.
MONITORING_ACCOUNT: Final = "monitoring"


@dataclass(frozen=True, slots=True)
class Superuser:
    """Superuser of the PostgreSQL at *port*.

    *check_listener* raises if another process listens there.
    """

    layout: Layout
    port: int
    check_listener: Callable[[], None]
    host: str = HOST

    @property
    def address(self) -> str:
        """Return host and port, as a URL has them."""
        return join_address(self.host, self.port)

    def password(self) -> Secret:
        """Return the password, which is generated on first use."""
        return read_or_create_password(self.layout.passwords / "database-superuser")

    def is_server_reachable(self) -> bool:
        """Return whether the server accepts connections."""
        from psycopg.pq import PGconn, Ping  # noqa: PLC0415 (an address needs no connection)

        address = f"host={self.host} port={self.port} connect_timeout={CONNECT_SECONDS}"
        return PGconn.ping(f"{address} hostaddr=''".encode()) == Ping.OK

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """Connect to *database*, or to the one for maintenance, in autocommit mode.

        The parameters override the shell's ``PG*`` variables.
        """
        import psycopg  # noqa: PLC0415 (as above)
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415 (as above)

        self.check_listener()
        defaults = {
            "gssencmode": "disable",
            "require_auth": "scram-sha-256",  # otherwise a server may request the plain password
            "options": "",
            "connect_timeout": str(CONNECT_SECONDS),
        }
        login = {**defaults, **self._login(database)}
        return psycopg.connect(make_conninfo(**login), autocommit=True)

    def _login(self, database: str | None) -> dict[str, str]:
        return {
            "host": HOST,
            "hostaddr": HOST,
            "port": str(self.port),
            "dbname": database or SUPERUSER,
            "user": SUPERUSER,
            "password": self.password().reveal(),
            "sslmode": "disable",
        }


@dataclass(frozen=True, slots=True)
class DatabaseAccounts:
    """Manager and application user of the database that *roles* names, on *superuser*'s server.

    On a server of the team's own there is no application user, only leased ones. What connects
    raises psycopg.Error.
    """

    superuser: Superuser
    roles: ServiceRoles
    has_app: bool = True

    def url(self) -> Secret:
        """Return the application's ``database-url``, whose user is not leased, if it has one."""
        if not self.has_app:
            server = self.superuser.host, self.superuser.port
            return url_without_user(server, self.roles.database)
        return self._url(self.roles.app, self.password("app"))

    def ensure_reader(self, scope: Scope) -> Secret:
        """Create the user of another service that reads the tables, and return its URL.

        It is for a backend that leases no users.
        """
        file = self.superuser.layout.database_passwords(scope.service) / "app"
        ensure_private_folder(file.parent)
        password = read_or_create_password(file)
        with self._server_roles() as server:
            server.ensure_reader(scope.app_role, password)
        return self._url(scope.app_role, password)

    def _url(self, user: str, password: Secret) -> Secret:
        return Secret(
            f"postgresql+psycopg://{user}:{quote(password.reveal(), safe='')}"
            f"@{HOST}:{self.superuser.port}/{self.roles.database}"
        )

    def password_file(self, role: str) -> Path:
        """Return the file with the password of *role*: ``manager`` or ``app``."""
        return self.superuser.layout.database_passwords(self.roles.scope.service) / role

    def password(self, role: str) -> Secret:
        """Return the password of *role*, which is generated on first use."""
        file = self.password_file(role)
        ensure_private_folder(file.parent)
        return read_or_create_password(file)

    def lacks_manager(self) -> bool:
        """Return whether the server runs, but has no user that leases others."""
        if not self.superuser.is_server_reachable():
            return False
        with self._server_roles() as server:
            return not server.has_manager()

    def ensure_roles(self) -> None:
        """Create the service's database and roles, if they are missing."""
        manager = self.password("manager")
        app = self.password("app") if self.has_app else None
        with self._server_roles() as server:
            server.ensure_roles(manager, app)
        with self._server_roles(self.roles.database) as server:
            server.transfer_schema()

    def describe_failure(self, error: psycopg.Error) -> str:
        """Return why :meth:`ensure_roles` failed, without the statement, which may contain data."""
        cause = error.sqlstate or "no connection"
        return f"the roles of {self.roles.scope.service} cannot be created ({cause})"

    def allow_password_changes(self, user: str) -> None:
        """Allow the manager to set the password of *user*."""
        with self._server_roles() as server:
            server.allow_password_changes(user)

    def ensure_users(self, users: Iterable[str]) -> None:
        """Create the missing *users* without a password, which the manager may set."""
        with self._server_roles() as server:
            for user in users:
                server.ensure_user(user)

    def set_password(self, user: str, password: Secret) -> None:
        """Set the password of *user*."""
        with self._server_roles() as server:
            server.set_password(user, password)

    def store_app_password(self, user: str, password: Secret) -> None:
        """Store *password* in the deployment's file, if *user* is the application's user."""
        if user == self.roles.app:
            write_private(self.password_file("app"), password.reveal())

    def reset_passwords(self) -> None:
        """Reset the passwords of manager and application to those in the deployment's files.

        A new secrets server knows no others.
        """
        with self._server_roles() as server:
            server.set_password(self.roles.manager, self.password("manager"))
            if self.has_app:
                server.set_password(self.roles.app, self.password("app"))

    @contextmanager
    def _server_roles(self, database: str | None = None) -> Iterator[ServerRoles]:
        """Yield the roles on the server, over the superuser's connection to *database*."""
        from local.servers.postgres_roles import ServerRoles  # noqa: PLC0415 (loads psycopg)

        with self.superuser.connect(database) as superuser:
            yield ServerRoles(superuser, self.roles)


def join_address(host: str, port: int) -> str:
    """Return host and port, as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_without_user(server: tuple[str, int], database: str) -> Secret:
    """Return the ``database-url`` of a service that leases its users, and has no other."""
    return Secret(f"postgresql+psycopg://{join_address(*server)}/{database}")


def mail_password(layout: Layout, service: str) -> Secret:
    """Return the password of *service*'s mail account, which is generated on first use."""
    return read_or_create_password(layout.mail_accounts / service)
