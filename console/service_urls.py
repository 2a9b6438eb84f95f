"""URLs of a service's database and Redis, from the addresses in the declaration."""

from __future__ import annotations

from urllib.parse import quote

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database


def find_database_url(declaration: Declaration, scope: Scope) -> str | None:
    """Return the URL of the database if no secret ``database-url`` has it, otherwise None."""
    if "database-url" in declaration.secrets(scope):
        return None
    owner = declaration.database_owner(scope)
    database = declaration.service(owner.service).database
    address = declaration.deployment(owner).database
    if not isinstance(database, Database) or address is None:
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
