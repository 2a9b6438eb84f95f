"""Checks that each database user of a declaration belongs to one secret or one service.

Two services that adopt the same user would change each other's password. If the password of a
manager, an owner or the superuser changes, the Vault server, a service or its operators are locked
out. Users of two environments on one server are compared in
:mod:`vault.declare.checks.derived_names`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from app_integration.errors import InvalidName
from app_integration.names import Environment, Scope
from vault.declare.checks.service import Data, owns_database, section
from vault.declare.errors import FieldError, Loc, format_location, format_value

SUPERUSER: Final = "postgres"
#: PostgreSQL reserves this prefix for its own roles, and rejects CREATE ROLE with it.
RESERVED_PREFIX: Final = "pg_"
#: What the roles of a service are, in the order of :func:`_roles`.
_ROLES: Final = ("manager", "owner", "readonly role")


def find_errors(data: Data, *, services: Collection[str]) -> Iterator[FieldError]:
    """Return the errors of the adopted and paired users in an environment file.

    *services* are all that are declared, because their roles have the same names everywhere.
    """
    taken: dict[str, Loc] = {}
    owners, applications = _owners(services), _applications(services)
    for loc, user in (*_adopted(data), *_paired(data)):
        if user in owners or user.startswith(RESERVED_PREFIX):
            owner = owners.get(user, "a name that PostgreSQL reserves")
            expected = "a user that nothing else depends on"
            yield FieldError(loc, f"is {format_value(user)}, {owner}", expected)
        elif user in taken:
            what = f"is {format_value(user)}, as in {format_location(taken[user][:-1])}"
            yield FieldError(loc, what, "one secret for each user")
        elif applications.get(user, loc[1]) != loc[1]:
            what = f"is {format_value(user)}, the user of the service {applications[user]}"
            yield FieldError(loc, what, "a user that nothing else depends on")
        taken.setdefault(user, loc)


def find_service_errors(data: Data, *, stem: str) -> Iterator[FieldError]:
    """Return the errors of the database users that the service *stem* would get."""
    if owns_database(data) and any(user.startswith(RESERVED_PREFIX) for user in _roles(stem)):
        what = f"is {format_value(stem)}, whose database users would begin with {RESERVED_PREFIX}"
        expected = "another first word, as PostgreSQL reserves such names"
        yield FieldError(("service",), what, expected)


def _adopted(data: Data) -> Iterator[tuple[Loc, str]]:
    for service in section(data, "services"):
        for secret in section(data, "services", service, "adopted"):
            user = section(data, "services", service, "adopted", secret).get("username")
            if isinstance(user, str):
                yield ("services", service, "adopted", secret, "username"), user


def _paired(data: Data) -> Iterator[tuple[Loc, str]]:
    for service in section(data, "services"):
        for secret in section(data, "services", service, "paired"):
            users = section(data, "services", service, "paired", secret).get("usernames")
            loc: Loc = ("services", service, "paired", secret, "usernames")
            for user in users if isinstance(users, list | tuple) else ():
                if isinstance(user, str):
                    yield loc, user


def _owners(services: Collection[str]) -> Mapping[str, str]:
    """Return a mapping of each reserved user to a description of it for messages."""
    found = {SUPERUSER: "the superuser"}
    for name in services:
        for user, what in zip(_roles(name), _ROLES, strict=False):
            found[user] = f"the {what} of the service {name}"
    return found


def _applications(services: Collection[str]) -> dict[str, str]:
    """Return the service of each application user."""
    return {scope.app_role: name for name in services if (scope := _scope(name))}


def _roles(service: str) -> tuple[str, ...]:
    scope = _scope(service)
    return (scope.manager_role, scope.owner_role, scope.readonly_role) if scope else ()


def _scope(service: str) -> Scope | None:
    try:
        return Scope(service, Environment.DEV)  # any will do: these names are without environment
    except InvalidName:
        return None
