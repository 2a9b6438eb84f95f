"""ACL: what one token may do, with all of its policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from app_integration.errors import ConfigurationError
from policies.acl.decision import Decision, Reason
from policies.acl.grant import Grant, Origin, Seconds
from policies.acl.limits import find_breach, lacks_approvals
from policies.acl.pattern_index import PatternIndex
from policies.acl.request import OPERATIONS, Request
from policies.acl.root_paths import needs_sudo
from vault.declare.errors import join_names
from vault.reconcile.hcl.policy_rules import DENY

_ROOT: Final = ("root",)
_NONE: Final = (DENY,)
_LISTINGS: Final = frozenset(("list", "scan"))


class Acl:
    """What a token may do; :meth:`policies.acl.policy_set.PolicySet.acl` makes it.

    The paths are those of the API behind ``v1/``, with the namespace if there is one.
    """

    def __init__(
        self,
        grants: Iterable[Grant],
        namespaces: Iterable[str] = (),
        *,
        is_root: bool = False,
        is_refused: bool = False,
    ) -> None:
        """Take the grants of each rule; for *is_refused* the server answers no request at all."""
        self._index = PatternIndex(grants)
        self._namespaces = frozenset(namespaces)
        self._is_root = is_root
        self._is_refused = is_refused

    def grants(self) -> Iterator[Grant]:
        """Yield what is allowed on each pattern, with its rules, in any order."""
        yield from self._index

    def find_grant(self, path: str, operation: str) -> Grant | None:
        """Return the grant that decides about *operation* on *path*, None if none does."""
        is_listing = operation in _LISTINGS
        if is_listing and not path.endswith("/"):
            path += "/"
        return None if self._is_refused else self._index.find(path, is_listing=is_listing)

    def capabilities(self, path: str) -> tuple[str, ...]:
        """Return the capabilities on *path* as the server's ``sys/capabilities`` does, sorted."""
        if self._is_root:
            return _ROOT
        # The server looks up the path as LIST does, but adds no slash.
        grant = self._index.find(path.lstrip("/"), is_listing=True)
        return _words(grant) if not self._is_refused else _NONE

    def evaluate(
        self,
        path: str,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        wrap_ttl: Seconds | float | None = None,
        approvals: int = 0,
    ) -> Decision:
        """Return whether the server would carry out a request, and the rule that decides.

        Args:
            path: The path of the request. To LIST and SCAN, HTTP adds a slash if it lacks one.
            operation: One of :data:`policies.acl.request.OPERATIONS`; a write is *create* where
                nothing is at the path yet and the mount can tell, else *update*.
            parameters: The entries of the body; for *read*, *list* and *scan* those of the URL.
            wrap_ttl: The seconds for which the response is wrapped, if it is.
            approvals: How many people have approved the request, each in a group that may.

        Raises:
            ConfigurationError: The server has no such operation.

        """
        if operation not in OPERATIONS:
            raise ConfigurationError(f"no operation {operation!r}; use {join_names(OPERATIONS)}")
        path = path.lstrip("/")
        is_listing = operation in _LISTINGS
        if is_listing and not path.endswith("/"):
            path += "/"
        grant = None if self._is_refused else self._index.find(path, is_listing=is_listing)
        request = Request(operation, parameters or {}, wrap_ttl, approvals)
        reason = self._decide(grant, path, request)
        return Decision(
            reason is Reason.ALLOWED,
            _ROOT if self._is_root else _words(grant),
            reason,
            _origin(grant, request, reason) if grant else None,
            partial(self._find_shadowed, path, is_listing=is_listing),
        )

    def _decide(self, grant: Grant | None, path: str, request: Request) -> Reason:
        capability = OPERATIONS[request.operation]
        if self._is_refused:
            return Reason.TEMPLATE
        if self._is_root or capability is None:
            return Reason.ALLOWED
        if grant is None:
            return Reason.NO_RULE
        if grant.is_denied or capability not in grant.capabilities:
            return Reason.DENIED if grant.is_denied else Reason.CAPABILITY
        reason = find_breach(grant, request) if grant.is_limited else None
        if reason is None and "sudo" not in grant.capabilities:
            reason = Reason.SUDO if needs_sudo(path, self._namespaces) else None
        return reason or (Reason.APPROVALS if lacks_approvals(grant, request) else Reason.ALLOWED)

    def _find_shadowed(self, path: str, *, is_listing: bool) -> tuple[Origin, ...]:
        found = self._index.find_all(path, is_listing=is_listing)
        return tuple(origin for grant in found[1:] for origin in grant.origins)


def _words(grant: Grant | None) -> tuple[str, ...]:
    """Return capabilities as the server names them."""
    if grant is None or grant.is_denied or not grant.capabilities:
        return _NONE
    return tuple(sorted(grant.capabilities))


#: What a refusal comes from → the key of the rule that has it.
_KEYS: Final = {
    Reason.REQUIRED_PARAMETER: ("required_parameters",),
    Reason.DENIED_PARAMETER: ("denied_parameters",),
    Reason.ALLOWED_PARAMETER: ("allowed_parameters",),
    Reason.PAGINATION_LIMIT: ("pagination_limit",),
    Reason.WRAPPING_TTL: ("min_wrapping_ttl", "max_wrapping_ttl"),
    Reason.APPROVALS: ("control_group",),
}


def _origin(grant: Grant, request: Request, reason: Reason) -> Origin:
    """Return the rule of *grant* that decides: of several, the first."""
    if reason is Reason.DENIED:
        deciding = (each for each in grant.origins if DENY in each.rule.capabilities)
    elif reason is Reason.ALLOWED:
        capability = OPERATIONS[request.operation]
        deciding = (each for each in grant.origins if capability in each.rule.capabilities)
    else:
        keys = _KEYS.get(reason, ())
        deciding = (
            each for each in grant.origins if any(key in keys for key, _ in each.rule.constraints)
        )
    return next(deciding, grant.origins[0])
