"""Derived secrets: a format such as ``smtp://gaara:{smtp-password}@mail:25`` over other secrets.

Each value is percent-encoded as it is placed, so that a password holding ``@`` or ``/`` stays one
part of the URL. ``{{`` and ``}}`` stand for the braces themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from urllib.parse import quote

from app_integration import names
from app_integration.errors import InvalidName
from app_integration.secret import Secret
from vault.declare.faults import InvalidValue, shown

_PART = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[^{}]+|[{}]")
_BRACES = {"{{": "{", "}}": "}"}


def references(text: str) -> tuple[str, ...]:
    """The secrets that the format *text* uses, in order of appearance.

    Raises:
        InvalidValue: a lone brace, something in braces that can't name a secret, or no reference.

    """
    found = []
    for part in _PART.finditer(text):
        name = part["name"]
        if name is not None:
            found.append(_checked(name))
        elif part[0] in {"{", "}"}:
            raise InvalidValue(
                f"has a lone {part[0]!r}", f"{{secret-name}}, or {part[0] * 2!r} for the brace"
            )
    if not found:
        raise InvalidValue(
            "uses no secret", "at least one {secret-name}; text without is a setting"
        )
    return tuple(found)


def _checked(name: str) -> str:
    try:
        return names.check_secret_name(name)
    except InvalidName:
        what = f"has {shown(name)} in braces"
        raise InvalidValue(what, "the name of a secret, with nothing around it") from None


def compose(text: str, values: Mapping[str, str]) -> Secret:
    """The format *text* with *values* placed, percent-encoded; every reference must be in it."""

    def place(part: re.Match[str]) -> str:
        name = part["name"]
        return _BRACES.get(part[0], part[0]) if name is None else quote(values[name], safe="")

    return Secret(_PART.sub(place, text))


def circle(uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Names that use one another in a circle, the first again as the last; empty when none do.

    Args:
        uses: derived secret → the secrets that it uses.

    """
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def ordered(uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names in *uses*, which has no circle, each after all that it uses."""
    return tuple(name for name in TopologicalSorter(uses).static_order() if name in uses)
