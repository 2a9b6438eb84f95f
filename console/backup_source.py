"""Database of a service, as a backup reads it: by a leased user, like the application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from sqlalchemy import NullPool, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.backup.source import Source, autocommit
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database

_URL_SECRET: Final = "database-url"  # noqa: S105 (a name)


def check_declared(declaration: Declaration, scope: Scope, key: str) -> None:
    """Raise an error if a service's database cannot be backed up.

    Args:
        declaration: The declaration.
        scope: The service.
        key: Key that encrypts the backup.

    Raises:
        ConfigurationError: If the service owns no database, or may not encrypt and decrypt with the
            key.

    """
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
    """Return the database whose URL is the secret ``database-url``.

    Args:
        client: Client of the service. It leases a user of the default role.

    Raises:
        StrongroomError: If the URL cannot be read.

    """
    try:
        # Any driver may be in the URL of an application.
        url = make_url(client.secrets.get(_URL_SECRET)).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"the secret {_URL_SECRET} is not the URL of a database; put one there"
        ) from None
    address = url.set(username=None, password=None).render_as_string()

    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        engine = client.database_engine(None, address, poolclass=NullPool)
        try:
            pooled = engine.raw_connection()
        except DBAPIError as error:
            raise (error.orig or error) from None
        try:
            connection = pooled.driver_connection
            if not isinstance(connection, psycopg.Connection):
                raise TypeError(connection)
            with autocommit(connection):
                yield connection
        finally:
            pooled.close()

    return Source(url.database or "", connect)
