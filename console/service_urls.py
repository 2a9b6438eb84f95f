"""URLs of a service's database and Redis, from the addresses in the declaration."""

from __future__ import annotations

from urllib.parse import quote

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.database import SharedDatabase


def find_database_url(declaration: Declaration, scope: Scope) -> str | None:
    """Return the URL of the database if no secret ``database-url`` has it, otherwise None."""
    database = declaration.service(scope.service).database
    if "database-url" in declaration.secrets(scope):
        return None
    if isinstance(database, SharedDatabase):
        return _owned_url(declaration, Scope(database.of, scope.environment))
    return _owned_url(declaration, scope)


def _owned_url(declaration: Declaration, scope: Scope) -> str | None:
    """Return the URL of the database that the service owns, or None without its address."""
    database = declaration.service(scope.service).database
    address = declaration.deployment(scope).database
    if database is None or isinstance(database, SharedDatabase) or address is None:
        return None
    return f"postgresql+psycopg://{address}/{database.name}"


def find_redis_url(declaration: Declaration, scope: Scope) -> str | None:
    """Return the URL of Redis if no secret ``redis-url`` has it, otherwise None.

    It contains the declared CA, because redis-py trusts only those of the system otherwise.
    """
    server = declaration.deployment(scope).redis
    if server is None or "redis-url" in declaration.secrets(scope):
        return None
    if server.ca is None:
        return f"redis://{server.address}/0"
    return f"rediss://{server.address}/0?ssl_ca_data={quote(declaration.pems[server.ca], safe='')}"
