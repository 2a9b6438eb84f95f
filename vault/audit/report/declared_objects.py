"""What a declaration has on the server, by engine and by name below the mount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from app_integration.mounts import Mounts
from app_integration.names import Environment, Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.model import role_suffix
from vault.reconcile.resources import ReadSession, read_data

#: Engine → path of the metadata, and the key of the version in it.
_METADATA: Final = {
    "kv": ("{kv}/metadata/{name}", "current_version"),
    "transit": ("{transit}/keys/{name}", "latest_version"),
}


@dataclass(frozen=True, slots=True)
class DeclaredObject:
    """A secret, key or database role."""

    engine: str
    server_name: str
    service: str
    environment: Environment
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What the paths and roles in a log are compared with."""

    environment: Environment
    mounts: Mounts
    scopes: tuple[Scope, ...]
    objects: tuple[DeclaredObject, ...]

    def of_service(self, service: str) -> tuple[DeclaredObject, ...]:
        """Return the objects of *service* in the environment."""
        own = (service, self.environment)
        return tuple(each for each in self.objects if (each.service, each.environment) == own)


def find_declared(declaration: Declaration, environment: Environment) -> Declared:
    """Return what *declaration* has in all its environments, because several may share a server."""
    scopes = tuple(scope for name in declaration.environments for scope in declaration.scopes(name))
    objects = tuple(each for scope in scopes for each in _objects(declaration, scope))
    return Declared(environment, declaration.environment(environment).mounts, scopes, objects)


def _objects(declaration: Declaration, scope: Scope) -> Iterator[DeclaredObject]:
    def declared(engine: str, server_name: str, kind: str, name: str) -> DeclaredObject:
        where = scope.service, scope.environment
        return DeclaredObject(engine, server_name, *where, kind, name)

    service, paired = declaration.service(scope.service), declaration.paired(scope)
    for name, source in declaration.secrets(scope).items():
        yield declared("kv", scope.secret(name), "secret", name)
        if isinstance(source, Adopted):
            yield declared("database", scope.static_role(name), "static-user", name)
        if name in paired:
            for role in (scope.first_static_role(name), scope.second_static_role(name)):
                yield declared("database", role, "static-user", name)
    for name in service.keys:
        yield declared("transit", scope.key(name), "key", name)
    for name in service.database.roles if service.database is not None else ():
        role = scope.database_role(role_suffix(name))
        yield declared("database", role, "database-role", name)
    for name in service.redis.roles if service.redis is not None else ():
        role = scope.redis_role(role_suffix(name))
        yield declared("database", role, "database-role", role.removeprefix(f"{scope}-"))


def read_current_version(
    session: ReadSession, objects: Iterable[DeclaredObject], mounts: Mounts
) -> int | None:
    """Return the current version of what a name in the declaration is, None if it has none.

    No value is read.
    """
    for each in objects:
        if each.engine not in _METADATA:
            continue
        path, key = _METADATA[each.engine]
        path = path.format(kv=mounts.kv, transit=mounts.transit, name=each.server_name)
        version = (read_data(session, path) or {}).get(key)
        if type(version) is int:
            return version
    return None
