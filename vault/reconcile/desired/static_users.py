"""What an adopted secret asks of the server: a static database role, and an entry without password.

The role changes the password when it is made; the entry follows.
"""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted import Adopted
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources.static_roles import AdoptedSecret, StaticRole


def static_roles(declaration: Declaration, scope: Scope) -> dict[str, str]:
    """Adopted secret → its database role on the server."""
    return {name: scope.static_role(name) for name in declaration.adopted(scope)}


def roles(declaration: Declaration, scope: Scope, supply: Inputs) -> Iterator[Resource]:
    """The static roles of the service."""
    for name, source in sorted(declaration.adopted(scope).items()):
        yield StaticRole(
            scope.static_role(name),
            str(scope),
            source.username,
            source.rotate_every,
            scope.secret(name),
            supply,
        )


def value(path: str, source: Adopted, supply: Inputs) -> Resource:
    """What is at *path*."""
    return AdoptedSecret(path, source.username, supply)
