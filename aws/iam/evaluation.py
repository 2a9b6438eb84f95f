"""Evaluation of identity policies without AWS, for the part of the language that is rendered here.

What it does not know, such as another condition operator, it rejects, because a guess would turn a
proof into an opinion. Resource policies, boundaries and policies of an organisation are not
considered: each of them can only deny more, within one account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, TypeAlias

from app_integration.errors import ConfigurationError

_KEYS: Final = {"Sid", "Effect", "Action", "Resource", "Condition"}
_OPERATORS: Final = {"StringEquals"}
#: Type and name; None for the identity that has the policy.
Principal: TypeAlias = tuple[str, str] | None
ANYBODY: Final = ("AWS", "*")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call that IAM decides on, such as ``kms:Decrypt``, with the condition keys that it has."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


def is_granted(document: Mapping[str, Any], call: ApiCall) -> bool:
    """Return whether a policy grants *call*: a statement allows it, and none denies it."""
    return {statement["Effect"] for statement in find_statements(document, call)} == {"Allow"}


def is_granted_to(document: Mapping[str, Any], call: ApiCall, principal: Principal) -> bool:
    """Return whether a policy of a resource grants *call* to *principal* by its name.

    A denial counts, whomever it names.
    """
    kept = [
        each
        for each in list_statements(document)
        if each["Effect"] == "Deny" or principal in find_principals(each)
    ]
    return is_granted(drop_principals(kept), call)


def list_statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the statements of a policy, which may be one without a list.

    Those of a trust policy name no resource, because it is the role.
    """
    found = document.get("Statement", [])
    statements = [found] if isinstance(found, Mapping) else found
    return [{"Resource": "*", **each} if "Principal" in each else each for each in statements]


def find_principals(statement: Mapping[str, Any]) -> list[Principal]:
    """Return type and name of each principal of a statement; None for that of an identity."""
    found = statement.get("Principal")
    if not isinstance(found, Mapping):
        return [None if found is None else ("AWS", found)]
    return [(kind, name) for kind, names in found.items() for name in as_list(names)]


def is_among(principal: Principal, general: Principal) -> bool:
    """Return whether *general* is *principal*, or anybody."""
    is_named = principal is not None and principal[0] == ANYBODY[0]
    return principal == general or (general == ANYBODY and is_named)


def drop_principals(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the policy of one of their principals, which has the statements without them."""
    bare = [
        {key: value for key, value in each.items() if key != "Principal"} for each in statements
    ]
    return {"Statement": bare}


def find_statements(document: Mapping[str, Any], call: ApiCall) -> list[Mapping[str, Any]]:
    """Return the statements of a policy that apply to *call*, which is denied if there is none."""
    return [statement for statement in check_statements(document) if _applies(statement, call)]


def find_needed(document: Mapping[str, Any], call: ApiCall) -> dict[str, str]:
    """Return the part of the context that *call* is granted with only.

    It is denied without any one of these keys, and with any other value of it.
    """
    if not is_granted(document, call):
        return {}
    return {
        key: value
        for key, value in call.context.items()
        if not any(is_granted(document, each) for each in _with_another(call, key))
    }


def _with_another(call: ApiCall, key: str) -> Iterator[ApiCall]:
    """Yield *call* without a key of its context, and with a value that no policy names."""
    rest = {name: value for name, value in call.context.items() if name != key}
    yield replace(call, context=rest)
    yield replace(call, context={**rest, key: "\0"})


def check_statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the statements of a policy, and check that each of them is evaluated here."""
    statements = list_statements(document)
    for statement in statements:
        for part in _unknown_parts(statement):
            raise ConfigurationError(
                f"the statement {statement.get('Sid', '')!r} of an IAM policy has {part}, which is "
                "not evaluated here; use the policy that is rendered"
            )
    return statements


def as_list(value: str | Sequence[str]) -> list[str]:
    """Return the texts of a part of a statement, which may be one text."""
    return [value] if isinstance(value, str) else [*value]


def _unknown_parts(statement: Mapping[str, Any]) -> Iterator[str]:
    yield from sorted(statement.keys() - _KEYS)
    if statement.get("Effect") not in {"Allow", "Deny"}:
        yield "another effect than Allow or Deny"
    yield from (key for key in ("Action", "Resource") if key not in statement)
    condition = statement.get("Condition", {})
    yield from sorted(condition.keys() - _OPERATORS)
    texts = [*as_list(statement.get("Resource", []))]
    texts += [
        text for tests in condition.values() for each in tests.values() for text in as_list(each)
    ]
    yield from (f"the variable in {text}" for text in texts if "${" in text)


def _applies(statement: Mapping[str, Any], call: ApiCall) -> bool:
    return (
        any(_matches(each.lower(), call.action.lower()) for each in as_list(statement["Action"]))
        and any(_matches(each, call.resource) for each in as_list(statement["Resource"]))
        and _fulfils(statement.get("Condition", {}), call.context)
    )


def _fulfils(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Return whether each test holds. A key that the call does not have fails its test."""
    present = {key.lower(): value for key, value in context.items()}
    return all(
        present.get(key.lower()) in as_list(values)
        for tests in condition.values()
        for key, values in tests.items()
    )


def _matches(pattern: str, text: str) -> bool:
    return _compile(pattern).fullmatch(text) is not None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern with ``*`` and ``?``."""
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char, re.escape(char)) for char in pattern), re.DOTALL)
