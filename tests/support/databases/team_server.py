"""PostgreSQL that plays a team's own server, beside that of a local deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.testing.ports import free_ports
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes.processes import ProcessManager
from local.servers.accounts import Superuser
from local.servers.postgres import Postgres
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database
from vault.declare.schema.field_types import Endpoint

#: Of the administrator, who is no superuser. In a URL it must be encoded.
PASSWORD = "dba/p@ss:word%41"


@dataclass(frozen=True)
class TeamServer:
    """A running server, as its superuser sees it.

    *administrator* is the URL of a user who may create roles and databases.
    """

    superuser: Superuser
    administrator: Secret

    @property
    def endpoint(self) -> Endpoint:
        """Return its address."""
        return Endpoint(HOST, self.superuser.port)

    def declare(self, declaration: Declaration) -> Declaration:
        """Return *declaration* with every database of dev on this server."""
        for scope in declaration.scopes(Environment.DEV):
            if isinstance(declaration.service(scope.service).database, Database):
                declaration = declaration.with_deployment(scope, database=self.endpoint)
        return declaration

    def query(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Return the rows of *statement*."""
        with self.superuser.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def team_server(folder: Path) -> Iterator[TeamServer]:
    """Run the server during the block, and erase it at the end."""
    layout = Layout(folder / ".strongroom")
    layout.create()
    ports = replace(Ports(), database=free_ports(1)[0])
    running = Postgres(layout, ports, ProcessManager(layout), [])
    url = f"postgresql://dba:dba%2Fp%40ss%3Aword%2541@{HOST}:{ports.database}/postgres"
    found = TeamServer(Superuser(layout, ports.database, lambda: None), Secret(url))
    try:
        running.start()
        found.query(f"CREATE ROLE dba LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
        yield found
    finally:
        running.stop()
        running.erase()
