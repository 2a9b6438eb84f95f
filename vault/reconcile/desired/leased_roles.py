"""Roles that lease users, of databases and of Redis, which the server has in one engine."""

from __future__ import annotations

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.database import DatabaseRole
from vault.reconcile.desired.databases import database_roles
from vault.reconcile.desired.redis_users import redis_roles


def leased_roles(declaration: Declaration, scope: Scope) -> dict[str, DatabaseRole]:
    """Return all roles that lease users for the service: the name on the server → the role."""
    return {**database_roles(declaration, scope), **redis_roles(declaration, scope)}
