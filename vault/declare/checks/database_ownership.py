"""Checks of databases that several services use: one owns it, and its file admits the others.

The owner decides who reads its data, so a service that names an owner must be admitted in the
owner's file. The checks read plain data. See :mod:`vault.declare.checks.service`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from vault.declare.checks.service import Data, owns_database, section
from vault.declare.errors import FieldError, format_value, join_names, suggest

_LOC = ("database", "of")


def find_errors(
    data: Data, *, stem: str, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Return the errors of the service file *stem*.yaml."""
    yield from _unknown_users(data, stem, services)
    owner = section(data, "database").get("of")
    if not isinstance(owner, str):
        return
    if owner not in services:
        others = services.keys() - {stem}
        what = f"is the unknown service {format_value(owner)}"
        yield FieldError(_LOC, what, join_names(others), suggest(owner, others))
        return
    owning = services[owner]
    if owning is not None:
        yield from _no_owner(owner, stem, owning) or _not_admitted(data, owner, stem, owning)


def find_environment_errors(
    data: Data, *, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Return an error for each service whose database belongs to one that does not run there."""
    running = section(data, "services")
    for name in running:
        owner = section(services.get(name), "database").get("of")
        if isinstance(owner, str) and owner in services and owner not in running:
            loc = ("services", name)
            what = f"uses the database of {format_value(owner)}, which does not run here"
            yield FieldError(loc, what, f"an entry for {owner} under 'services', too")


def _unknown_users(data: Data, stem: str, services: Collection[str]) -> Iterator[FieldError]:
    """Return an error for each entry of ``share`` that admits no other service."""
    others = set(services) - {stem}
    for name in section(data, "database", "share"):
        loc = ("database", "share")
        if name == stem:
            what = f"admits {format_value(name)}, the service itself"
            yield FieldError((*loc, name), what, "another service", subject=loc)
        elif name not in others:
            what = f"admits the unknown service {format_value(name)}"
            near = suggest(name, others)
            yield FieldError((*loc, name), what, join_names(others), near, subject=loc)


def _no_owner(owner: str, stem: str, owning: Data) -> list[FieldError]:
    """Return an error if the service *owner* does not own a database."""
    if owner == stem:
        what, expected = "is the service itself", "another service, or engine and name"
    elif "database" not in owning:
        what = f"is {format_value(owner)}, which declares no database"
        expected = "a service with a database of its own"
    elif not owns_database(owning):
        further = section(owning, "database").get("of")
        what = f"is {format_value(owner)}, which itself uses the database of {further}"
        expected = "the service that owns the database; one with engine and name"
    else:
        return []
    return [FieldError(_LOC, what, expected)]


def _not_admitted(data: Data, owner: str, stem: str, owning: Data) -> Iterator[FieldError]:
    admitted = section(owning, "database", "share").get(stem)
    for role in section(data, "database", "roles"):
        if not isinstance(admitted, tuple) or role not in admitted:
            what = f"is not admitted by services/{owner}.yaml"
            expected = f"'{stem}: [{role}]' under its 'database.share'"
            yield FieldError(("database", "roles", role), what, expected)
