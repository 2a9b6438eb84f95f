"""Databases of a local deployment, also those on PostgreSQL servers of the team's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from local.access import Access
from local.servers.administrator import ensure_own_roles
from vault.declare.declaration import Declaration
from vault.progress import Step
from vault.reconcile.resources import read_data


def ensure_databases(accesses: Sequence[Access], runtime: str, step: Step) -> None:
    """Create what is missing on the team's own servers: databases and roles."""
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
                accounts.set_password(accounts.roles.manager, accounts.password("manager"))


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
