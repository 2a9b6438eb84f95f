"""What a service may do on a test's server: the same rules as HCL, and as a function."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from app_integration import permissions
from app_integration.names import Scope
from app_integration.permissions import Need

#: The policy that allows all, as the server's own ``root``.
ROOT = "root"


def needs(scope: Scope) -> Iterator[Need]:
    """All that the SDK asks for in *scope*; ``*`` at the end of a path stands for the rest."""
    own = {"read-secret": f"{scope.service}/{scope.environment}/*"}
    for operation in permissions.OPERATIONS:
        if operation != "issue-secret-id":
            yield permissions.need(operation, own.get(operation, f"{scope}*"))
    yield from permissions.IMPLIED


def hcl(scope: Scope) -> str:
    """The policy as the server takes it."""
    return "\n".join(need.rule() for need in needs(scope))


def allows(scope: Scope, policies: tuple[str, ...], capability: str, path: str) -> bool:
    """Whether *policies* grant *capability* on *path*: :data:`ROOT` all, others the scope's."""
    return ROOT in policies or any(
        need.capability == capability and fnmatchcase(path, need.path) for need in needs(scope)
    )
