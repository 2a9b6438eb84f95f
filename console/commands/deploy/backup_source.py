"""Database of a service, as a backup reads it: by a leased user, like the application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import NullPool

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from backup.source import Source, autocommit
from console.target.service_database import driver_connection, read_url
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database


def check_declared(declaration: Declaration, scope: Scope, key: str) -> None:
    """Raise an error if a service's database cannot be backed up."""
    declaration.deployment(scope)
    service = declaration.service(scope.service)
    if not isinstance(service.database, Database):
        owner = getattr(service.database, "of", None)
        hint = f"; back up that of {owner}" if owner else ""
        raise ConfigurationError(f"{scope.service} has no database of its own{hint}")
    declared = service.keys.get(key)
    if declared is None or not {"encrypt", "decrypt"} <= {*declared.allow}:
        raise ConfigurationError(
            f"{scope.service} cannot encrypt and decrypt with a key {key!r}; declare it, or pass "
            "another one with --key"
        )


def open_source(client: Client) -> Source:
    """Return the database of the service."""
    url = read_url(client)

    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        address = url.render_as_string()
        engine = client.databases.engine(None, address, poolclass=NullPool)
        with driver_connection(engine) as connection, autocommit(connection):
            yield connection

    return Source(url.database or "", connect)
