"""What the schema can't say of a service's file: names that collide, references that lead nowhere.

The checks read the file's plain data, and leave alone whatever the schema refuses by itself, so
that one run reports every fault of a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app_integration.errors import InvalidName
from app_integration.names import Environment, variable_name
from vault.declare import derived
from vault.declare.faults import FieldError, InvalidValue, listed, nearest, shown
from vault.declare.schema.model import DEFAULT_ROLE

Data = Mapping[str, Any]


def section(data: object, *path: str) -> Data:
    """The mapping at *path* in *data*, or an empty one when none is there."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def problems(data: Data, *, stem: str, templates: Collection[str]) -> Iterator[FieldError]:
    """All that is wrong in the service file *stem*.yaml; *templates* are the files it may name."""
    yield from same_as_file(data, "service", stem)
    yield from _collisions(data)
    yield from _unknown_references(section(data, "secrets"))
    yield from _circle(section(data, "secrets"))
    yield from _absences(section(data, "secrets"))
    yield from _default_role(data)
    yield from _config(data, stem, templates)


def same_as_file(data: Data, key: str, stem: str) -> Iterator[FieldError]:
    """The name under *key* must be the name of the file."""
    name = data.get(key)
    if isinstance(name, str) and name != stem:
        yield FieldError((key,), f"is {shown(name)}", f"{stem!r}, the name of the file")


def _collisions(data: Data) -> Iterator[FieldError]:
    """Two names that would be one environment variable."""
    taken: dict[str, str] = {}
    for kind in ("secrets", "settings"):
        for name in section(data, kind):
            try:
                variable = variable_name(name)
            except InvalidName:
                continue
            if variable in taken:
                what = f"becomes the environment variable {variable}, as does {taken[variable]}"
                yield FieldError(
                    (kind, name), what, "names that differ in more than '-', '_' and '/'"
                )
            else:
                taken[variable] = f"{kind}.{name}"


def _uses(secrets: Data) -> dict[str, tuple[str, ...]]:
    """Each derived secret whose format can be read → the secrets that it uses."""
    uses = {}
    for name in secrets:
        spec = section(secrets, name)
        text = spec.get("format")
        if spec.get("source") == "derived" and isinstance(text, str):
            try:
                uses[name] = derived.references(text)
            except InvalidValue:
                continue
    return uses


def _unknown_references(secrets: Data) -> Iterator[FieldError]:
    for name, used in _uses(secrets).items():
        for other in dict.fromkeys(used):
            if other not in secrets:
                loc = ("secrets", name, "format")
                what = f"uses the unknown secret {other!r}"
                yield FieldError(loc, what, listed(set(secrets) - {name}), nearest(other, secrets))


def _circle(secrets: Data) -> Iterator[FieldError]:
    circle = derived.circle(_uses(secrets))
    if circle:
        what = f"is derived from itself: {' → '.join(circle)}"
        expected = "a chain that ends in given or generated secrets"
        yield FieldError(("secrets", circle[0], "format"), what, expected)


def _absences(secrets: Data) -> Iterator[FieldError]:
    """A derived secret can't be had where one of its parts isn't."""
    for name, used in _uses(secrets).items():
        for other in dict.fromkeys(used):
            missing = _environments(secrets, name) - _environments(secrets, other)
            if missing:
                what = f"uses {other!r}, which is not declared for {listed(missing)}"
                yield FieldError(
                    ("secrets", name, "format"),
                    what,
                    "'environments' to list only those that have it",
                )


def _environments(secrets: Data, name: str) -> set[str]:
    """Where a secret is declared for; everywhere, when the list itself is wrong."""
    everywhere = tuple(Environment)
    only = section(secrets, name).get("environments")
    if isinstance(only, tuple) and all(each in everywhere for each in only):
        return set(only)
    return set(everywhere)


def _default_role(data: Data) -> Iterator[FieldError]:
    roles = section(data, "database").get("roles")
    if isinstance(roles, Mapping) and DEFAULT_ROLE not in roles:
        what = f"lacks the role {DEFAULT_ROLE!r}"
        yield FieldError(
            ("database", "roles"), what, "it, as database_engine() leases users under it"
        )


def _config(data: Data, stem: str, templates: Collection[str]) -> Iterator[FieldError]:
    config = section(data, "config")
    template = config.get("template")
    if isinstance(template, str) and template not in templates:
        expected = f"a file in agent/templates/{stem}/: "
        expected += listed(templates, nothing="none is there yet")
        what = f"is {shown(template)}, which does not exist"
        yield FieldError(("config", "template"), what, expected, nearest(template, templates))
    settings = section(data, "settings")
    used = config.get("settings")
    for index, name in enumerate(used if isinstance(used, tuple) else ()):
        if isinstance(name, str) and name not in settings:
            what, near = f"is the unknown setting {shown(name)}", nearest(name, settings)
            yield FieldError(("config", "settings", index), what, listed(settings), near)
