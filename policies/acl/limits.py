"""Limits of a grant beyond capabilities: times to live, parameters, pages and approvals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from policies.acl.decision import Reason
from policies.acl.grant import Grant
from policies.acl.parameters import Values
from policies.acl.request import Request

_WITH_PARAMETERS: Final = frozenset(("read", "create", "update", "patch"))
_LISTINGS: Final = frozenset(("list", "scan"))
_LIMIT: Final = "limit"
_ALL: Final = "*"
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


def find_breach(grant: Grant, request: Request) -> Reason | None:
    """Return which limit of *grant* the request does not keep, None if it keeps all."""
    if not _is_wrapped_as_asked(grant, request.wrap_ttl):
        return Reason.WRAPPING_TTL
    if request.operation in _WITH_PARAMETERS:
        return _find_parameter(grant, request)
    if request.operation in _LISTINGS and grant.pagination_limit > 0:
        return None if _is_page_allowed(grant, request.parameters) else Reason.PAGINATION_LIMIT
    return None


def lacks_approvals(grant: Grant, request: Request) -> bool:
    """Return whether the grant asks for more approvals than the request has."""
    return request.approvals < grant.approvals.get(request.operation, 0)


def _is_wrapped_as_asked(grant: Grant, wrap_ttl: Any) -> bool:
    least, most = grant.min_wrapping_ttl, grant.max_wrapping_ttl
    if most > 0 and (not wrap_ttl or wrap_ttl > most):
        return False
    if least > 0 and (not wrap_ttl or wrap_ttl < least):
        return False
    return not (least and most and most < least)  # of two rules that are merged


def _find_parameter(grant: Grant, request: Request) -> Reason | None:
    given = request.parameters
    if not grant.required <= given.keys():
        return Reason.REQUIRED_PARAMETER
    if not given:
        return None
    is_query = request.operation == "read"
    if grant.denied and _is_any_denied(grant.denied, given, is_query=is_query):
        return Reason.DENIED_PARAMETER
    if grant.allowed and not _are_all_allowed(grant.allowed, given, is_query=is_query):
        return Reason.ALLOWED_PARAMETER
    return None


def _is_any_denied(
    denied: Mapping[str, Values], given: Mapping[str, Any], *, is_query: bool
) -> bool:
    return _ALL in denied or any(
        values.contain(value, is_query=is_query)
        for name, value in given.items()
        if (values := denied.get(name.lower())) is not None
    )


def _are_all_allowed(
    allowed: Mapping[str, Values], given: Mapping[str, Any], *, is_query: bool
) -> bool:
    if allowed.keys() == {_ALL}:
        return True
    for name, value in given.items():
        values = allowed.get(name.lower())
        if values is None:
            if _ALL not in allowed:
                return False
        elif not values.contain(value, is_query=is_query):
            return False
    return True


def _is_page_allowed(grant: Grant, given: Mapping[str, Any]) -> bool:
    if _LIMIT not in given:
        return _LIMIT not in grant.required
    limit = given[_LIMIT]
    if limit in {"", "max"}:
        return True
    if not isinstance(limit, str) or not _NUMBER.fullmatch(limit):
        return False
    return 0 <= int(limit) <= grant.pagination_limit
