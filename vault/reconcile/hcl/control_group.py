"""Control groups of a policy: which people must approve a request before it is answered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Final, TypeVar

from vault.declare.errors import InvalidValue, join_names, suggest
from vault.reconcile.hcl.tree import Block, Entry, Node
from vault.reconcile.hcl.values import (
    parse_duration,
    parse_names,
    parse_texts,
    parse_whole_number,
)

_T = TypeVar("_T")

#: Kinds of requests that a factor may control. HashiCorp's Vault has a factor without any.
OPERATIONS: Final = frozenset(
    ("create", "read", "update", "patch", "delete", "list", "scan", "help", "alias-lookahead")
) | frozenset(("resolve-role", "header", "revoke", "renew", "rollback"))
_KEYS: Final = ("ttl", "self_auth_allowed", "factor")
_FACTOR_KEYS: Final = ("controlled_capabilities", "identity")
_EXAMPLE: Final = (
    'factor "x" { controlled_capabilities = ["read"]'
    ' identity { group_names = ["y"] approvals = 1 } }'
)


def parse_control_group(node: Node) -> Hashable:
    """Return the content of a control group."""
    ttl, may_approve_own, factors = None, False, []
    for entry in _entries(node, _KEYS):
        if entry.keys[0] == "ttl":
            ttl = _parse_inner(entry, parse_duration)
        elif entry.keys[0] == "self_auth_allowed":
            may_approve_own = _parse_flag(entry.node)
        else:
            factors.append(_parse_factor(entry))
    if not factors:
        raise InvalidValue("has no factor", _EXAMPLE)
    return ttl, may_approve_own, tuple(factors)


def _entries(node: Node, known: Iterable[str], name: str = "") -> Iterable[Entry]:
    if not isinstance(node.value, Block):
        raise InvalidValue(f"{name}is not a block", _EXAMPLE)
    for entry in node.value.entries:
        key = entry.keys[0]
        if key not in known:
            raise InvalidValue(
                f"has the unknown key {key!r}", join_names(known), suggest(key, known)
            )
    return node.value.entries


def _parse_flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise InvalidValue("has a self_auth_allowed that is neither true nor false", "true")
    return node.value


def _parse_factor(entry: Entry) -> Hashable:
    if len(entry.keys) == 1:
        raise InvalidValue("has a factor without a name", _EXAMPLE)
    name = entry.keys[1]
    capabilities: set[str] = set()
    identity: tuple[Entry, ...] = ()
    for each in _entries(entry.node, _FACTOR_KEYS, f"has a factor {name!r} that "):
        if each.keys[0] == "controlled_capabilities":
            capabilities |= _parse_inner(each, partial(parse_names, known=OPERATIONS))
        elif isinstance(each.node.value, Block) and len(each.keys) == 1:
            identity += each.node.value.entries
        else:
            raise InvalidValue(f"has a factor {name!r} whose identity is not a block", _EXAMPLE)
    if not capabilities:
        raise InvalidValue(f"has a factor {name!r} without controlled_capabilities", _EXAMPLE)
    groups, approvals = _parse_identity(identity)
    if not groups or approvals is None or approvals < 1:
        raise InvalidValue(f"has a factor {name!r} without group_names or approvals", _EXAMPLE)
    return name, frozenset(capabilities), groups, approvals


def _parse_identity(entries: Iterable[Entry]) -> tuple[frozenset[str], int | None]:
    """Return the groups and the number of approvals; the server ignores any other key."""
    groups: frozenset[str] = frozenset()
    approvals = None
    for entry in entries:
        key = entry.keys[0].lower()  # because the server ignores its case
        if key == "group_names":
            groups |= _parse_inner(entry, parse_texts)
        elif key == "approvals":
            approvals = _parse_inner(
                entry, partial(parse_whole_number, expected="a number of people")
            )
    return groups, approvals


def _parse_inner(entry: Entry, parse: Callable[[Node], _T]) -> _T:
    """Return the value of *entry*, whose key the error of *parse* does not name."""
    try:
        return parse(entry.node)
    except InvalidValue as error:
        what = f"has the key {entry.keys[0]!r}, which {error.what}"
        raise InvalidValue(what, error.expected) from None
