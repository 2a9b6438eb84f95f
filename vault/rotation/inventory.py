"""What a declaration says must be rotated: secrets, keys, database users and secret-ids.

Leased database users are not among them, because a lease expires by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app_integration.names import Environment, Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.database import Database
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.schema.secret_sources import Derived
from vault.declare.server_names import JOBS
from vault.rotation.due import DATABASE_EVERY, DEFAULT_EVERY
from vault.rotation.item_kind import Kind


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is rotated.

    *service* is None for what belongs to a job. *every* is in seconds; None if the value changes
    only together with others.
    """

    kind: Kind
    service: str | None
    name: str
    server_name: str
    every: int | None
    is_declared: bool
    derived_from: tuple[str, ...] = ()


def declared_items(
    declaration: Declaration, environment: Environment, service: str | None = None
) -> list[Item]:
    """Return the items of *environment* in the order of its file, those of its jobs last."""
    if service is not None:
        scope = Scope(service, environment)
        declaration.deployment(scope)
        return list(_service_items(declaration, scope))
    items = [
        item
        for scope in declaration.scopes(environment)
        for item in _service_items(declaration, scope)
    ]
    return [*items, *_job_items(declaration.environment(environment))]


def _service_items(declaration: Declaration, scope: Scope) -> Iterator[Item]:
    yield from _secrets(declaration, scope)
    for name, key in declaration.service(scope.service).keys.items():
        yield _item(Kind.KEY, scope, name, scope.key(name), key.rotate_every)
    for name, index in declaration.service(scope.service).indexes.items():
        path = f"{scope.service}/{scope.environment}/{name}"
        yield _item(Kind.INDEX_KEY, scope, name, path, index.rotate_every)
    yield from _root_user(declaration, scope)
    ttl = declaration.environment(scope.environment).tokens.secret_id_ttl
    for role in declaration.approles(scope):
        yield _item(Kind.SECRET_ID, scope, role, role, ttl)


def _secrets(declaration: Declaration, scope: Scope) -> Iterator[Item]:
    in_file = declaration.service(scope.service).secrets
    paired = declaration.paired(scope)
    for name, source in declaration.secrets(scope).items():
        if isinstance(source, Adopted):
            is_declared, role = in_file[name].rotate_every is not None, scope.static_role(name)
            every = source.rotate_every
            yield Item(Kind.STATIC_USER, scope.service, name, role, every, is_declared)
        elif name in paired:
            path, is_declared = scope.secret(name), source.rotate_every is not None
            every = source.rotate_every or DATABASE_EVERY
            yield Item(Kind.USER_PAIR, scope.service, name, path, every, is_declared)
        elif isinstance(source, Derived):
            path, parts = scope.secret(name), source.references
            yield Item(Kind.SECRET, scope.service, name, path, None, False, parts)
        else:
            server_name = declaration.secret_id(scope, name)
            yield _item(Kind.SECRET, scope, name, server_name, source.rotate_every)


def _root_user(declaration: Declaration, scope: Scope) -> Iterator[Item]:
    """Yield the user with which the server manages the service's own database."""
    owns_database = isinstance(declaration.service(scope.service).database, Database)
    if owns_database and declaration.deployment(scope).database is not None:
        user, connection = scope.manager_role, str(scope)
        yield Item(Kind.ROOT_USER, scope.service, user, connection, DATABASE_EVERY, False)


def _job_items(declared: EnvironmentDeclaration) -> Iterator[Item]:
    for role in map(declared.server_name, JOBS):
        yield Item(Kind.SECRET_ID, None, role, role, DEFAULT_EVERY, is_declared=False)


def _item(kind: Kind, scope: Scope, name: str, server_name: str, every: int | None) -> Item:
    is_declared = every is not None
    return Item(kind, scope.service, name, server_name, every or DEFAULT_EVERY, is_declared)
