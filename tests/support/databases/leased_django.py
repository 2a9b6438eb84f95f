"""Databases of Django whose connections use leased users of the default client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import close_old_connections, connections

from app_integration import default_client
from app_integration.database import LeasedCredentials
from app_integration.integrations.django.postgresql.database_options import ENGINE

ALIAS: Final = "leased"
#: How connections are kept → the settings for it.
KINDS: Final[dict[str, dict[str, Any]]] = {
    "persistent": {"CONN_MAX_AGE": None},
    "pool": {"OPTIONS": {"pool": {"min_size": 4, "max_size": 16}}},
}


@contextmanager
def leased_database(**settings: Any) -> Iterator[Any]:
    """Let Django know a database :data:`ALIAS` during the block, and yield its connection."""
    connections.settings[ALIAS] = {"ENGINE": ENGINE, **settings}
    connections.configure_settings(connections.settings)
    connection = connections[ALIAS]
    try:
        yield connection
    finally:
        connection.close()
        connection.close_pool()
        del connections[ALIAS], connections.settings[ALIAS]


def get_users() -> LeasedCredentials:
    """Return the credentials of the service's default role, which the default client shares."""
    client = default_client.get_default_client()
    users = client.databases.find_provider()
    assert isinstance(users, LeasedCredentials)
    return users


def query_user() -> str:
    close_old_connections()
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT session_user")
        user = str(cursor.fetchone()[0])
    close_old_connections()
    return user


def close_connection() -> None:
    connections[ALIAS].close()
