"""Databases of a local deployment, also those on PostgreSQL servers of the team's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import typer

from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from console.questions import has_terminal, read_hidden
from console.steps import Step
from vault.declare.declaration import Declaration
from vault.reconcile.resources import read_data
from vault.runtime.access import Access
from vault.runtime.runtime import Status
from vault.runtime.servers.administrator import Administrator, ensure_own_roles


def ask_for_urls(administrators: Sequence[Administrator]) -> None:
    """Ask on a terminal for the administrator's URL of each server that has none yet."""
    for each in administrators:
        if not each.url_file.exists() and has_terminal():
            typer.echo(
                f"environments/dev.yaml names the PostgreSQL at {each.address}. A user that may "
                f"create roles and databases there sets up the services' own.\n"
                f"Its URL is kept in {each.url_file} only."
            )
            each.store(read_hidden(f"postgresql://USER:PASSWORD@{each.address}/postgres"))


def ensure_databases(accesses: Sequence[Access], runtime: str, step: Step) -> None:
    """Create what is missing on the team's own servers: databases and roles.

    Raises:
        ConfigurationError: If an administrator cannot do that, or in containers.

    """
    own = [(each, each.administrator) for each in accesses]
    for access, administrator in own:
        if administrator is None:
            continue
        if runtime == "docker":
            raise ConfigurationError(
                f"environments/dev.yaml names the PostgreSQL at {administrator.address}, which "
                "containers do not use; name 127.0.0.1:15432, or start with "
                "STRONGROOM_RUNTIME=embedded"
            )
        with step(f"{access.database_name} on {administrator.address} has its roles"):
            ensure_own_roles(access.require_database())


def reset_unknown_managers(session: Session, mounts: Mounts, accesses: Sequence[Access]) -> None:
    """Reset the passwords of managers that the secrets server has no connection for.

    It may have had one, and have rotated the password, before the connection was deleted, or led to
    another server.
    """
    for access in accesses:
        if (accounts := access.database) is not None:
            connection = _read_connection(session, mounts, access.scope)
            if connection.get("username") != accounts.roles.manager:
                accounts.reset_manager_password()


def _read_connection(session: Session, mounts: Mounts, scope: Scope) -> Mapping[str, Any]:
    """Return what the secrets server has of the connection of *scope*; empty if it has none."""
    found = read_data(session, f"{mounts.database}/config/{scope}")
    return found["connection_details"] if found else {}


def read_former_urls(session: Session, declaration: Declaration, access: Access) -> list[Secret]:
    """Return what ``database-url`` is if it was written while another server was declared."""
    owner = declaration.database_owner(access.scope)
    mounts = declaration.environment(owner.environment).mounts
    parts = urlsplit(str(_read_connection(session, mounts, owner).get("connection_url", "")))
    _, _, address = parts.netloc.rpartition("@")
    return [*access.former_urls, Secret(f"postgresql+psycopg://{address}{parts.path}")]


def status_of(server: Administrator) -> Status:
    """Return the state of a server, which no command starts or stops."""
    title, is_reachable = f"PostgreSQL at {server.address}", server.is_server_reachable()
    return Status("own-database", title, 0, is_reachable, pid=None, since=None)
