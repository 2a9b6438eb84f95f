"""Checks of a service file across fields: names that collide, references to unknown names.

The checks read plain data instead of validated models, so that one run reports every error of a
file. They skip values that the schema rejects by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app_integration.errors import InvalidName
from app_integration.names import DEFAULT_ROLE, LONG_FORMS, variable_name
from vault.declare import derived_secret
from vault.declare.errors import FieldError, InvalidValue, format_value, join_names, suggest

Data = Mapping[str, Any]


def section(data: object, *path: str) -> Data:
    """Return the mapping at *path* in *data*, or an empty one if there is no mapping."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def owns_database(service: Data) -> bool:
    """Return whether the content of a service file declares a database of its own."""
    return "database" in service and "of" not in section(service, "database")


def find_errors(
    data: Data, *, stem: str, templates: Collection[str], environments: Collection[str]
) -> Iterator[FieldError]:
    """Return the errors of the service file *stem*.yaml."""
    yield from find_name_error(data, "service", stem)
    yield from _variable_collisions(data)
    yield from _unknown_references(section(data, "secrets"))
    yield from _cycle(section(data, "secrets"))
    yield from _unknown_environments(section(data, "secrets"), environments)
    yield from _undeclared_parts(section(data, "secrets"), environments)
    yield from _default_role(data)
    yield from _config(data, stem, templates)


def find_name_error(data: Data, key: str, stem: str) -> Iterator[FieldError]:
    """Return an error if the name under *key* differs from the file name *stem*."""
    name = data.get(key)
    if isinstance(name, str) and name != stem:
        yield FieldError((key,), f"is {format_value(name)}", f"{stem!r}, the name of the file")


def _variable_collisions(data: Data) -> Iterator[FieldError]:
    """Return an error for each name that maps to an environment variable already in use."""
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


def derived_uses(secrets: Data) -> dict[str, tuple[str, ...]]:
    """Map each derived secret with a valid format to the names of the secrets in it."""
    uses = {}
    for name in secrets:
        spec = section(secrets, name)
        text = spec.get("format")
        if spec.get("source") == "derived" and isinstance(text, str):
            try:
                uses[name] = derived_secret.references(text)
            except InvalidValue:
                continue
    return uses


def _unknown_references(secrets: Data) -> Iterator[FieldError]:
    for name, used in derived_uses(secrets).items():
        for other in dict.fromkeys(used):
            if other not in secrets:
                loc = ("secrets", name, "format")
                what = f"uses the unknown secret {other!r}"
                yield FieldError(
                    loc, what, join_names(set(secrets) - {name}), suggest(other, secrets)
                )


def _cycle(secrets: Data) -> Iterator[FieldError]:
    cycle = derived_secret.find_cycle(derived_uses(secrets))
    if cycle:
        what = f"is derived from itself: {' → '.join(cycle)}"
        expected = "a chain that ends in given or generated secrets"
        yield FieldError(("secrets", cycle[0], "format"), what, expected)


def _unknown_environments(secrets: Data, known: Collection[str]) -> Iterator[FieldError]:
    """Return an error for each environment in a secret's list that has no file."""
    for name in secrets:
        only = section(secrets, name).get("environments")
        for index, each in enumerate(only if isinstance(only, tuple) else ()):
            if isinstance(each, str) and each not in known:
                what = f"is the unknown environment {format_value(each)}"
                near = suggest(LONG_FORMS.get(each, each), known)
                loc = ("secrets", name, "environments", index)
                yield FieldError(loc, what, join_names(known), near)


def _undeclared_parts(secrets: Data, everywhere: Collection[str]) -> Iterator[FieldError]:
    """Return an error for each secret in a format that some of the environments do not have."""
    for name, used in derived_uses(secrets).items():
        for other in dict.fromkeys(used):
            used_in = _environments(secrets, name, everywhere)
            missing = used_in - _environments(secrets, other, everywhere)
            if missing:
                what = f"uses {other!r}, which is not declared for {join_names(missing)}"
                yield FieldError(
                    ("secrets", name, "format"),
                    what,
                    "'environments' to list only those with this secret",
                )


def _environments(secrets: Data, name: str, everywhere: Collection[str]) -> set[str]:
    """Return the environments that have the secret; all of them if its list is invalid."""
    only = section(secrets, name).get("environments")
    named = only if isinstance(only, tuple) else ()
    if named and all(isinstance(each, str) and each in everywhere for each in named):
        return set(named)
    return set(everywhere)


def _default_role(data: Data) -> Iterator[FieldError]:
    what = f"lacks the role {DEFAULT_ROLE!r}"
    roles = section(data, "database").get("roles")
    if isinstance(roles, Mapping) and owns_database(data) and DEFAULT_ROLE not in roles:
        yield FieldError(
            ("database", "roles"), what, "it, as database_engine() leases users with it"
        )
    roles = section(data, "redis").get("roles")
    if isinstance(roles, Mapping) and DEFAULT_ROLE not in roles:
        yield FieldError(("redis", "roles"), what, "it, as redis_client() leases users with it")


def _config(data: Data, stem: str, templates: Collection[str]) -> Iterator[FieldError]:
    config = section(data, "config")
    template = config.get("template")
    if isinstance(template, str) and template not in templates:
        expected = f"a template of {stem}: "
        expected += join_names(templates, nothing="none exists yet")
        what = f"is {format_value(template)}, which does not exist"
        yield FieldError(("config", "template"), what, expected, suggest(template, templates))
    settings = section(data, "settings")
    used = config.get("settings")
    for index, name in enumerate(used if isinstance(used, tuple) else ()):
        if isinstance(name, str) and name not in settings:
            what, near = (
                f"is the unknown setting {format_value(name)}",
                suggest(name, settings),
            )
            yield FieldError(("config", "settings", index), what, join_names(settings), near)
