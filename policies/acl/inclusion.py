"""Inclusion of one ACL in another: whether it allows a request that the other refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.acl import root_paths
from policies.acl.acl import Acl
from policies.acl.candidates import candidates, to_json
from policies.acl.decision import Decision, Reason
from policies.acl.grant import Grant, Seconds
from policies.acl.parameters import Listed, Values
from policies.acl.path_classes import representatives
from policies.acl.request import OPERATIONS, Request

_OPERATIONS: Final = sorted({each for each in OPERATIONS.values() if each is not None})
_SUDO: Final = "sudo"
_ALL: Final = "*"
#: A character that no policy lists.
_NUL: Final = "\0"
_WITHOUT_PARAMETERS: Final = frozenset(("delete", "list", "scan"))


@dataclass(frozen=True, slots=True)
class Witness:
    """A request that only the new ACL allows, and its decision about it."""

    path: str
    operation: str
    parameters: Mapping[str, Any]
    wrap_ttl: Seconds | float | None
    approvals: int
    decision: Decision

    def __str__(self) -> str:
        given = f" with {dict(self.parameters)}" if self.parameters else ""
        wrapped = f", wrapped for {self.wrap_ttl} s" if self.wrap_ttl else ""
        return f"{self.operation} {self.path}{given}{wrapped}"


@dataclass(frozen=True, slots=True)
class Undecided:
    """An operation on a path for which it is not decided whether the new ACL allows more."""

    path: str
    operation: str
    decision: Decision

    def __str__(self) -> str:
        return f"{self.operation} {self.path}: not decided"


def includes(old: Acl, new: Acl) -> Witness | Undecided | None:
    """Return a request that *new* allows and *old* refuses, None if there is none.

    Paths and operations are decided exactly. Of parameters, some that *old* limits by several
    patterns are not decided, and neither is ``sudo`` on a mount, whose type says what needs it.
    """
    undecided = None
    for found in find_widenings(old, new):
        if isinstance(found, Witness):
            return found
        undecided = undecided or found
    return undecided


def find_widenings(old: Acl, new: Acl) -> Iterator[Witness | Undecided]:
    """Yield where *new* allows more than *old*: one for each class of paths and operation."""
    patterns = {each.pattern.text for acl in (old, new) for each in acl.grants()}
    for path in representatives(sorted(patterns | set(root_paths.PATTERNS))):
        for operation in _OPERATIONS:
            found = _compare(old, new, path, operation)
            if found is not None:
                yield found


def _compare(old: Acl, new: Acl, path: str, operation: str) -> Witness | Undecided | None:
    more, less = new.find_grant(path, operation), old.find_grant(path, operation)
    if more is None or operation not in more.capabilities:
        return None
    for request in candidates(operation, more, less):
        decision = _ask(new, path, request)
        if decision.reason is Reason.SUDO:
            return None  # whatever else is asked for
        if decision.allowed and not _ask(old, path, request).allowed:
            given = request.parameters, request.wrap_ttl, request.approvals
            return Witness(path, operation, *given, decision)
    if less is not None and _covers(less, more, path, operation):
        return None
    return Undecided(path, operation, _ask(new, path, Request(operation, {}, None, 0)))


def _ask(acl: Acl, path: str, request: Request) -> Decision:
    return acl.evaluate(
        path,
        request.operation,
        request.parameters,
        wrap_ttl=request.wrap_ttl,
        approvals=request.approvals,
    )


def _covers(old: Grant, new: Grant, path: str, operation: str) -> bool:
    """Return whether *old* is known to allow each request on *path* that *new* does."""
    if operation not in old.capabilities:
        return False
    if _SUDO in new.capabilities - old.capabilities and not root_paths.is_known(path):
        return False
    if operation in _WITHOUT_PARAMETERS:
        return True
    return _are_allowed(old, new) and all(
        _contains(new.denied.get(name), values) for name, values in old.denied.items()
    )


def _are_allowed(old: Grant, new: Grant) -> bool:
    """Return whether *old* is known to allow each parameter that *new* does."""
    if not old.allowed or old.allowed.keys() == {_ALL}:
        return True
    if not new.allowed:
        return False
    return all(
        _contains(old.allowed.get(name, old.allowed.get(_ALL)), values)
        for name, values in new.allowed.items()
    ) and (_ALL not in new.allowed or old.allowed.keys() <= new.allowed.keys())


def _contains(outer: Values | None, inner: Values) -> bool:
    """Return whether *outer* is known to have each value of *inner*; without any listed, all."""
    if outer is None or not outer.listed:
        return outer is not None
    return bool(inner.listed) and all(
        each in outer.listed or outer.contain(_to_text(each), is_query=False)
        for each in inner.listed
    )


def _to_text(listed: Listed) -> Any:
    """Return what stands for a listed text: for a pattern its fixed part between any others."""
    text = to_json(listed)
    if not isinstance(text, str):
        return None
    start, end = (_NUL if text[at : at + 1 or None] == "*" else "" for at in (0, -1))
    return start + text.removeprefix("*").removesuffix("*") + end
