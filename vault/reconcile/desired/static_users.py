"""Static database users: the roles of adopted and paired secrets, and the entry of adopted ones.

Creating the role changes the password, so the entry of an adopted secret is replaced by a template
afterwards. The entry of a paired secret has the URL of one of its users.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app_integration.names import Scope
from vault.declare import durations
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import Adopted
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources.static_roles import AdoptedSecret, PairRole, StaticRole

#: Rotation period of the users of a pair in seconds. The rotation of the secret changes their
#: passwords, and the server has no way to leave a password alone.
PAIR_PERIOD: Final = 3650 * durations.DAY


def static_role_names(declaration: Declaration, scope: Scope) -> dict[str, str]:
    """Return the name of each adopted secret → the name of its static role on the server."""
    return {name: scope.static_role(name) for name in declaration.adopted(scope)}


def pair_role_names(declaration: Declaration, scope: Scope) -> dict[str, dict[str, str]]:
    """Return the name of each paired secret → its users → their static roles on the server."""
    return {
        name: {first: scope.first_static_role(name), second: scope.second_static_role(name)}
        for name, (first, second) in declaration.paired(scope).items()
    }


def all_role_names(declaration: Declaration, scope: Scope) -> list[str]:
    """Return the names of all static roles of the service."""
    pairs = pair_role_names(declaration, scope).values()
    adopted = static_role_names(declaration, scope).values()
    return [*adopted, *(role for pair in pairs for role in pair.values())]


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
    for name, pair in sorted(pair_role_names(declaration, scope).items()):
        for username, role in pair.items():
            secret = scope.secret(name)
            yield PairRole(role, str(scope), username, PAIR_PERIOD, secret, inputs, mounts)


def adopted_secret(path: str, source: Adopted, inputs: Inputs, mount: str) -> Resource:
    """Return the resource of the adopted secret at *path*, below the KV mount *mount*."""
    return AdoptedSecret(path, source.username, inputs, mount)
