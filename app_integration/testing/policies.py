"""Policy of a service on a test's server, as HCL and as a function."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from app_integration import permissions
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.permissions import Need

#: The policy that allows everything, like the server's own ``root``.
ROOT = "root"
#: The policy that tokens have unless they are created without.
DEFAULT = "default"


def needs(scope: Scope, mounts: Mounts = DEFAULT_MOUNTS) -> Iterator[Need]:
    """Yield each capability that the SDK needs in *scope*.

    A ``*`` at the end of a path matches any rest.
    """
    own = {"read-secret": f"{scope.service}/{scope.environment}/*"}
    for operation in permissions.OPERATIONS:
        if operation != "issue-secret-id":
            yield permissions.need(operation, own.get(operation, f"{scope}*"), mounts)
    yield from permissions.IMPLIED


def hcl(scope: Scope) -> str:
    """Return the policy in HCL."""
    return "\n".join(need.policy_rule() for need in needs(scope))


def allows(
    scope: Scope,
    policies: tuple[str, ...],
    capability: str,
    path: str,
    mounts: Mounts = DEFAULT_MOUNTS,
) -> bool:
    """Return whether *policies* grant *capability* on *path*.

    :data:`ROOT` grants everything, any other policy grants what *scope* needs.

    Args:
        scope: The service and its environment.
        policies: The policies of the token.
        capability: Such as ``read``.
        path: API path without ``/v1/``.
        mounts: Mounts of the deployment.

    """
    return ROOT in policies or any(
        need.capability == capability and fnmatchcase(path, need.path)
        for need in needs(scope, mounts)
    )
