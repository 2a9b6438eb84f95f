"""Derived secrets: a format such as ``smtp://gaara:{smtp-password}@mail:25`` over other secrets.

Each value is percent-encoded when it is inserted, so that a password with ``@`` or ``/`` stays one
part of the URL. A format that is one name alone, ``{redis-url}``, is that value as it is.
``{{`` and ``}}`` stand for literal braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from urllib.parse import quote

from app_integration import names
from app_integration.errors import InvalidName
from app_integration.secret import Secret
from vault.declare.errors import InvalidValue, format_value

_SECRET = rf"\{{{names.SECRET_PATTERN}\}}"
_TEXT = r"[^{}]|\{\{|\}\}"
#: Regular expression of a format, for the JSON Schema. It accepts what :func:`references` accepts.
PATTERN = rf"(?:{_TEXT})*{_SECRET}(?:{_TEXT}|{_SECRET})*"
_PART = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[^{}]+|[{}]")
_BRACES = {"{{": "{", "}}": "}"}


def references(text: str) -> tuple[str, ...]:
    """Return the names of the secrets in the format *text*, in order of appearance.

    Raises InvalidValue if it is no format, or uses no secret.
    """
    found = []
    for part in _PART.finditer(text):
        name = part["name"]
        if name is not None:
            found.append(_check_name(name))
        elif part[0] in {"{", "}"}:
            raise InvalidValue(
                f"has a lone {part[0]!r}", f"{{secret-name}}, or {part[0] * 2!r} for the brace"
            )
    if not found:
        raise InvalidValue(
            "uses no secret", "at least one {secret-name}; declare text without one as a setting"
        )
    return tuple(found)


def _check_name(name: str) -> str:
    try:
        return names.check_secret_name(name)
    except InvalidName:
        what = f"has {format_value(name)} in braces"
        raise InvalidValue(what, "the name of a secret and nothing else") from None


def compose(text: str, values: Mapping[str, str]) -> Secret:
    """Return the format *text* with the values inserted, encoded as the module says."""

    def insert(part: re.Match[str]) -> str:
        name = part["name"]
        if name is None:
            return _BRACES.get(part[0], part[0])
        return values[name] if part[0] == text else quote(values[name], safe="")

    return Secret(_PART.sub(insert, text))


def find_cycle(uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of a dependency cycle, the first again at its end; empty without one."""
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def sort_by_dependency(uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names in *uses*, which has no cycle, each after the secrets that it uses."""
    return tuple(name for name in TopologicalSorter(uses).static_order() if name in uses)
