"""Static database users: the role and the secret's entry that an adopted secret asks for.

Creating the role changes the password, so the entry is replaced by a template afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted import Adopted
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources.static_roles import AdoptedSecret, StaticRole


def static_role_names(declaration: Declaration, scope: Scope) -> dict[str, str]:
    """Return the name of each adopted secret → the name of its static role on the server."""
    return {name: scope.static_role(name) for name in declaration.adopted(scope)}


def roles(declaration: Declaration, scope: Scope, inputs: Inputs) -> Iterator[Resource]:
    """Yield the static roles of the service."""
    mounts = declaration.environment(scope.environment).mounts
    for name, source in sorted(declaration.adopted(scope).items()):
        yield StaticRole(
            scope.static_role(name),
            str(scope),
            source.username,
            source.rotate_every,
            scope.secret(name),
            inputs,
            mounts,
        )


def adopted_secret(path: str, source: Adopted, inputs: Inputs, mount: str) -> Resource:
    """Return the resource of the adopted secret at *path*, below the KV mount *mount*."""
    return AdoptedSecret(path, source.username, inputs, mount)
