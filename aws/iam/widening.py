"""What a policy grants beyond another one, as far as it can be decided.

Each part of the new policy must be contained in a part of the old one. What is not contained is
widening, unless the evaluation of one call proves it: then it is *not decided*. So a narrowing may
be taken for a widening, and never the reverse.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from app_integration.errors import ConfigurationError
from aws.iam.evaluation import (
    ApiCall,
    Principal,
    as_list,
    drop_principals,
    find_principals,
    is_among,
    is_granted,
    is_granted_to,
    list_statements,
)

_KEYS: Final = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
#: Condition operators of whose values one must match, so that each value is a test of its own.
_ANY_VALUE: Final = {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
_ARN_COLONS: Final = 5  # between the parts of an ARN; the last part may have more
_UNDECIDED: Final = " (not decided)"


@dataclass(frozen=True, slots=True)
class _Part:
    """One action on one resource for one principal, under tests that must all hold.

    *opaque* is the whole statement, if it has what is not compared here.
    """

    action: str
    resource: str
    principal: Principal
    tests: frozenset[tuple[str, str, str]]
    opaque: str = ""

    def __str__(self) -> str:
        if self.opaque:
            return f"a statement that is not compared: {self.opaque}"
        whom = f" for {self.principal[1]}" if self.principal else ""
        tests = " and ".join(" ".join(test) for test in sorted(self.tests))
        return f"{self.action} on {self.resource}{whom}" + (f" if {tests}" if tests else "")

    def contains(self, other: _Part) -> bool:
        """Return whether every call that *other* applies to is one that this applies to."""
        return self == other or (
            not (self.opaque or other.opaque)
            and is_among(other.principal, self.principal)
            and _contains(self.action, other.action)
            and _contains(self.resource, other.resource)
            and self.tests <= other.tests
        )


def policy_widening(before: str, after: str, created: Collection[str] = ()) -> list[str]:
    """Return a line for each thing that a policy may grant beyond another one.

    Both are JSON. *created* has the ARNs of objects that do not exist yet, which widen nothing.
    """
    old, new = json.loads(before), json.loads(after)
    if old.get("Version") != new.get("Version") and "${" in before + after:
        return [f"variables, which mean something else in another version{_UNDECIDED}"]
    granted, denied = [*_parts(old, "Allow")], [*_parts(new, "Deny")]
    more = [
        f"{part}{'' if _is_proved(old, new, part) else _UNDECIDED}"
        for part in _not_contained(_parts(new, "Allow"), granted)
        if part.resource not in created
    ]
    less_denied = _not_contained(_parts(old, "Deny"), denied)
    return [*more, *(f"no longer denied: {part}{_UNDECIDED}" for part in less_denied)]


def _not_contained(parts: Iterable[_Part], others: Collection[_Part]) -> Iterator[_Part]:
    return (part for part in parts if not any(other.contains(part) for other in others))


def _parts(document: Mapping[str, Any], effect: str) -> Iterator[_Part]:
    for statement in list_statements(document):
        if statement.get("Effect") != effect:
            continue
        if statement.keys() - _KEYS or not {"Action", "Resource"} <= statement.keys():
            rest = {key: value for key, value in statement.items() if key != "Sid"}
            yield _Part("", "", None, frozenset(), json.dumps(rest, sort_keys=True))
            continue
        for action, resource, principal, tests in itertools.product(
            as_list(statement["Action"]),
            as_list(statement["Resource"]),
            find_principals(statement),
            _tests(statement.get("Condition", {})),
        ):
            yield _Part(action.lower(), resource, principal, tests)


def _tests(condition: Mapping[str, Any]) -> Iterator[frozenset[tuple[str, str, str]]]:
    """Yield the tests of a condition that must hold together. One of the sets must."""
    choices = [
        [(operator, key, value) for value in as_list(values)]
        if operator in _ANY_VALUE
        else [(operator, key, json.dumps(values, sort_keys=True))]
        for operator, keys in condition.items()
        for key, values in keys.items()
    ]
    return map(frozenset, itertools.product(*choices))


def _contains(general: str, special: str) -> bool:
    """Return whether each text that *special* matches is one that *general* matches."""
    if general == special:
        return True
    # A variable in the general pattern stands for a text that is not known here.
    return "${" not in general and _compile(general).fullmatch(special) is not None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern.

    Its ``?`` matches no wildcard and no variable, and a ``*`` before the last part of an ARN no
    colon.
    """
    *first, last = pattern.split(":", _ARN_COLONS)
    wild = [({"*": "[^:]*", "?": "[^*${}]"}, part) for part in first]
    wild.append(({"*": ".*", "?": "[^*${}]"}, last))
    texts = ("".join(known.get(char, re.escape(char)) for char in part) for known, part in wild)
    return re.compile(":".join(texts), re.DOTALL)


def _is_proved(old: Mapping[str, Any], new: Mapping[str, Any], part: _Part) -> bool:
    """Return whether one call is found that *new* grants by *part*, and *old* does not grant."""
    context = {key: value for operator, key, value in part.tests if operator in _ANY_VALUE}
    call = ApiCall(_example(part.action), _example(part.resource), context)
    try:
        return is_granted_to(new, call, part.principal) and not _may_grant(
            old, call, part.principal
        )
    except (ConfigurationError, KeyError):
        return False


def _example(pattern: str) -> str:
    return re.sub("[*?]", "x", pattern)


def _may_grant(document: Mapping[str, Any], call: ApiCall, principal: Principal) -> bool:
    """Return whether a policy may grant *call* to *principal*, also as a part of its account."""
    kept = [
        each
        for each in list_statements(document)
        if any(
            is_among(principal, named)
            or (each["Effect"] == "Allow" and named is not None and named[1].endswith(":root"))
            for named in find_principals(each)
        )
    ]
    return is_granted(drop_principals(kept), call)
