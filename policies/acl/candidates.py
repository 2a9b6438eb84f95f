"""Requests that tell two grants apart: one for each value at which either may change its mind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from policies.acl.grant import Grant, Seconds
from policies.acl.limits import find_breach
from policies.acl.parameters import Listed, Values
from policies.acl.request import Request

#: A name that no rule lists, and values that no rule does: a text, and a number, which equals none.
_OTHER_NAME: Final = "another-parameter"
_OTHER_VALUES: Final = ("another value", 1)
#: What stands for any text before or after the fixed part of a pattern.
_ANY: Final = "~"
_LISTINGS: Final = frozenset(("list", "scan"))
_SCALAR: Final = 2


def candidates(operation: str, new: Grant, old: Grant | None) -> Iterator[Request]:
    """Yield requests that *new* may allow and *old* may refuse.

    Each limit is about one parameter, the wrapping or the approvals. So it is enough to change one
    of them at a time, in a request that *new* allows.
    """
    grants = [new] if old is None else [new, old]
    approvals = new.approvals.get(operation, 0)
    wraps = _wrap_ttls(grants)
    accepted = (each for each in wraps if _accepts(new, Request("delete", {}, each, 0)))
    wrap_ttl = next(accepted, None)
    parameters = _required(operation, new, grants)
    base = Request(operation, parameters, wrap_ttl, approvals)
    yield base
    for each in wraps:
        yield replace(base, wrap_ttl=each)
    for name, value in _variants(operation, grants):
        yield replace(base, parameters={**parameters, name: value})


def _accepts(grant: Grant, request: Request) -> bool:
    return find_breach(grant, request) is None


def _wrap_ttls(grants: Sequence[Grant]) -> list[Seconds | None]:
    limits = {each for grant in grants for each in (grant.min_wrapping_ttl, grant.max_wrapping_ttl)}
    around = {limit + step for limit in limits for step in (-1, 0, 1)}
    return [None, *sorted(each for each in around if each > 0)]


def _required(operation: str, new: Grant, grants: Sequence[Grant]) -> Mapping[str, Any]:
    """Return the parameters that *new* requires, with values that it accepts if there are any."""
    if operation in _LISTINGS:
        return dict.fromkeys(new.required & {"limit"}, "1")
    alone = replace(new, required=frozenset(), min_wrapping_ttl=0, max_wrapping_ttl=0)
    found: dict[str, Any] = {}
    for name in sorted(new.required):
        values = list(_values(name, grants))
        accepted = (
            value for value in values if _accepts(alone, Request(operation, {name: value}, None, 0))
        )
        found[name] = next(accepted, values[0])
    return found


def _variants(operation: str, grants: Sequence[Grant]) -> Iterator[tuple[str, Any]]:
    """Yield each parameter with each of its values at which a grant may change its mind."""
    if operation in _LISTINGS:
        limits = {each.pagination_limit for each in grants}
        yield from (("limit", str(limit + step)) for limit in sorted(limits) for step in (-1, 0, 1))
        return
    names = {
        name
        for each in grants
        for name in (*each.allowed, *each.denied, *each.required)
        if name != "*"
    }
    for name in [*sorted(names), _OTHER_NAME]:
        yield from ((name, value) for value in _values(name, grants))


def _values(name: str, grants: Sequence[Grant]) -> Iterator[Any]:
    listed = (limit.get(name) for each in grants for limit in (each.allowed, each.denied))
    for values in listed:
        yield from _examples(values) if values is not None else ()
    yield from _OTHER_VALUES


def _examples(values: Values) -> Iterator[Any]:
    for listed in sorted(values.listed, key=repr):
        example = to_json(listed)
        yield example
        if isinstance(example, str) and "*" in {example[:1], example[-1:]}:
            fixed = example.removeprefix("*").removesuffix("*")
            yield from (fixed, fixed + _ANY, _ANY + fixed, _ANY + fixed + _ANY)


def to_json(listed: Listed) -> Any:
    """Return the value of JSON that equals *listed*."""
    if isinstance(listed, frozenset):
        return {key[0]: to_json(value) for key, value in listed}
    if not isinstance(listed, tuple):
        return listed
    if len(listed) == _SCALAR and isinstance(listed[0], str):
        return listed[1]
    return [to_json(each) for each in listed]
