"""Database connections and roles that a declaration asks for.

A database has one connection, that of the owning service. The roles of the services that the owner
admits are on that connection, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.database import READONLY, Database, DatabaseRole, SharedDatabase
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import role_suffix
from vault.reconcile.desired import people, static_users
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources import database as server
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.resources.lease_statements import Grant, OwnerGrant, ReadGrant
from vault.reconcile.resources.ownership import Owner


def database_roles(declaration: Declaration, scope: Scope) -> dict[str, DatabaseRole]:
    """Return the service's roles on its database: the name on the server → the declared role."""
    database = declaration.service(scope.service).database
    roles = database.roles.items() if database else ()
    return {_role_name(scope, name): role for name, role in roles}


def resources(
    declaration: Declaration, scope: Scope, inputs: Inputs, owner: Owner
) -> Iterator[Resource]:
    """Yield the connection of the service's own database, and the service's roles."""
    mount = owner.mounts.database
    database = declaration.service(scope.service).database
    if isinstance(database, SharedDatabase):
        yield from _roles(database, scope, Scope(database.of, scope.environment), mount)
        return
    endpoint = declaration.deployment(scope).database
    if database is not None and endpoint is not None:
        yield _connection(declaration, scope, database, endpoint, inputs, owner)
        yield from _roles(database, scope, scope, mount)
        yield from static_users.roles(declaration, scope, inputs)


def _connection(
    declaration: Declaration,
    scope: Scope,
    owned: Database,
    endpoint: Endpoint,
    inputs: Inputs,
    owner: Owner,
) -> DatabaseConnection:
    allowed = (
        *database_roles(declaration, scope),
        *static_users.all_role_names(declaration, scope),
        *_admitted_roles(declaration, scope),
    )
    return DatabaseConnection(
        name=str(scope),
        endpoint=endpoint,
        database=owned.name,
        username=declaration.managers.get(scope, scope.manager_role),
        password_policy=people.password_policy(declaration, scope.service, scope.environment),
        allowed_roles=allowed,
        inputs=inputs,
        ownership=owner.entry(DatabaseConnection.kind, str(scope)),
        mount=owner.mounts.database,
        is_fixed=declaration.environment(scope.environment).is_scoped,
    )


def _admitted_roles(declaration: Declaration, owner: Scope) -> Iterator[str]:
    """Yield the names of the roles that other services have on the database of *owner*."""
    for scope in declaration.scopes(owner.environment):
        database = declaration.service(scope.service).database
        if isinstance(database, SharedDatabase) and database.of == owner.service:
            yield from database_roles(declaration, scope)


def _roles(
    database: Database | SharedDatabase, scope: Scope, owner: Scope, mount: str
) -> Iterator[server.DatabaseRole]:
    for name, role in sorted(database.roles.items()):
        yield server.DatabaseRole(
            _role_name(scope, name), str(owner), _grant(name, owner), role.ttl, role.max_ttl, mount
        )


def _grant(role: str, owner: Scope) -> Grant:
    if role == READONLY:
        return ReadGrant(owner.readonly_role)
    return OwnerGrant(owner.owner_role)


def _role_name(scope: Scope, name: str) -> str:
    return scope.database_role(role_suffix(name))
