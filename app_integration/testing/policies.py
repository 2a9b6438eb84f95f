"""ACL policies on a test's server: that of a service, as HCL and as a function, and a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from app_integration import permissions
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.permissions import Need
from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    system_response,
    unsupported_operation,
)
from app_integration.testing.parameters import read

#: The policy that allows everything, like the server's own ``root``.
ROOT = "root"
#: The policy that tokens have unless they are created without.
DEFAULT = "default"
#: Rules of the policy ``default`` that the SDK relies on.
_DEFAULT_RULES: Final = "".join(
    f'path "{path}" {{\n    capabilities = ["{capability}"]\n}}\n'
    for path, capability in (
        ("auth/token/lookup-self", "read"),
        ("auth/token/renew-self", "update"),
        ("auth/token/revoke-self", "update"),
        ("sys/capabilities-self", "update"),
        ("sys/leases/renew", "update"),
        ("sys/leases/lookup", "update"),
        ("sys/wrapping/wrap", "update"),
        ("sys/wrapping/lookup", "update"),
        ("sys/wrapping/unwrap", "update"),
    )
)
#: Parameters that are accepted only if they change nothing.
DEFAULTS: Final = {
    "allow_slashes_in_identity_templates": False,
    "allow_wildcards_in_identity_templates": False,
    "cas_required": False,
}


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
    """
    return ROOT in policies or any(
        need.capability == capability and fnmatchcase(path, need.path)
        for need in needs(scope, mounts)
    )


@dataclass(frozen=True, slots=True)
class _Policy:
    text: str
    version: int
    modified: str

    def describe(self, name: str, key: str) -> dict[str, Any]:
        modified = {"modified": self.modified} if self.modified else {}
        return {**DEFAULTS, **modified, "name": name, key: self.text, "version": self.version}


class PolicyStore:
    """The policies of a server. A request is allowed by a function, whatever they say."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        now = clock.timestamp()
        self._policies = {ROOT: _Policy("", 0, ""), DEFAULT: _Policy(_DEFAULT_RULES, 1, now)}

    def handle(self, name: str, request: Request, *, is_old: bool = False) -> ServerResponse:
        """Handle a request for the policy *name*, or for the list if it is ""."""
        name = name.lower()
        match request.method, name:
            case "LIST", "":
                return self._list(request, is_old=is_old)
            case "GET", "" if is_old:
                return self._list(request, is_old=is_old)
            case "GET", found if found:
                return self._read(name, request, is_old=is_old)
            case "POST", found if found:
                return self._write(name, request)
            case "DELETE", found if found:
                return self._delete(name, request)
            case _:
                raise unsupported_operation()

    def _list(self, request: Request, *, is_old: bool) -> ServerResponse:
        read(request)
        names = [*sorted(name for name in self._policies if name != ROOT), ROOT]
        if is_old:
            return system_response({"keys": names, "policies": names})
        return data_response({"keys": names})

    def _read(self, name: str, request: Request, *, is_old: bool) -> ServerResponse:
        read(request)
        policy = self._policies.get(name)
        if policy is None:
            raise ErrorResponse(404)
        if is_old:
            return system_response(policy.describe(name, "rules"))
        return data_response(policy.describe(name, "policy"))

    def _write(self, name: str, request: Request) -> ServerResponse:
        text = read(request, "policy", defaults=DEFAULTS).text("policy")
        if not text:
            raise ErrorResponse(400, "'policy' parameter not supplied or empty")
        if name == ROOT:
            raise ErrorResponse(400, 'cannot update "root" policy')
        before = self._policies.get(name)
        version = before.version + 1 if before else 1
        self._policies[name] = _Policy(text, version, self._clock.timestamp())
        return NO_CONTENT

    def _delete(self, name: str, request: Request) -> ServerResponse:
        read(request)
        if name in (ROOT, DEFAULT):
            shown = '"root"' if name == ROOT else name
            raise ErrorResponse(400, f"cannot delete {shown} policy")
        self._policies.pop(name, None)
        return NO_CONTENT
