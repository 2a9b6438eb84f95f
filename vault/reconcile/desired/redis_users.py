"""Redis connections, and the roles that lease Redis users, that a declaration asks for."""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.model import role_suffix
from vault.declare.schema.redis import RedisRole
from vault.reconcile.desired import people
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources.database import DatabaseRole
from vault.reconcile.resources.lease_statements import AclGrant
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.redis import RedisConnection


def redis_roles(declaration: Declaration, scope: Scope) -> dict[str, RedisRole]:
    """Return the service's Redis roles: the name on the server → the declared role."""
    redis = declaration.service(scope.service).redis
    roles = redis.roles.items() if redis else ()
    return {scope.redis_role(role_suffix(name)): role for name, role in roles}


def resources(
    declaration: Declaration, scope: Scope, inputs: Inputs, owner: Owner
) -> Iterator[Resource]:
    """Yield the connection to the service's Redis, and the service's roles."""
    roles, server = redis_roles(declaration, scope), declaration.deployment(scope).redis
    if not roles or server is None:
        return
    name, mount = scope.redis_role(), owner.mounts.database
    yield RedisConnection(
        name=name,
        endpoint=server.address,
        ca=declaration.pems[server.ca] if server.ca else "",
        username=scope.manager_role,
        allowed_roles=tuple(roles),
        password_policy=people.password_policy(declaration, scope.service, scope.environment),
        inputs=inputs,
        ownership=owner.entry(RedisConnection.kind, name),
        mount=mount,
        is_fixed=declaration.environment(scope.environment).is_scoped,
    )
    for role_name, role in sorted(roles.items()):
        yield DatabaseRole(role_name, name, AclGrant(role.rules), role.ttl, role.max_ttl, mount)
