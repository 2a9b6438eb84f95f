"""Connections to the database of a service, by a leased user, like those of its application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from app_integration._internal.server_urls import DATABASE_URL
from app_integration.client import Client
from app_integration.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine

_URL_SECRET: Final = "database-url"  # noqa: S105 (a name)


def read_url(client: Client) -> URL:
    """Return driver, host and database of the declared address or secret, without a user."""
    found = client.databases.find_url()
    try:
        # Any driver may be in the URL of an application.
        url = make_url(found).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        is_variable = found == client.settings.address(is_redis=False)
        source = DATABASE_URL if is_variable else f"the secret {_URL_SECRET}"
        raise ConfigurationError(f"{source} is not the URL of a database; put one there") from None
    return url.set(username=None, password=None)


@contextmanager
def driver_connection(engine: Engine) -> Iterator[psycopg.Connection]:
    """Yield a connection of *engine* as the driver has it. Its errors are the driver's, too."""
    try:
        pooled = engine.raw_connection()
    except DBAPIError as error:
        raise (error.orig or error) from None
    try:
        connection = pooled.driver_connection
        if not isinstance(connection, psycopg.Connection):
            raise TypeError(connection)
        yield connection
    finally:
        if getattr(pooled.driver_connection, "closed", False):
            # Otherwise the pool would roll back on it, and log that with a traceback.
            pooled.invalidate()
        pooled.close()
