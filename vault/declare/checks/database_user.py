"""Database users over a whole declaration: each belongs to one secret or service, and nobody else.

Two services that adopt one user would change each other's password; a manager, an owner or the
superuser whose password changes locks out the server, a service or its operators. So do two
environments on one database: each server would change the password of the same manager.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from app_integration.errors import InvalidName
from app_integration.names import Environment, Scope
from vault.declare.checks.service import Data, section
from vault.declare.faults import FieldError, Loc, dotted, shown
from vault.declare.schema.field_types import loopback

SUPERUSER: Final = "postgres"
#: What PostgreSQL keeps for roles of its own: it creates none that begin so.
RESERVED_PREFIX: Final = "pg_"


def problems(data: Data, *, services: Collection[str]) -> Iterator[FieldError]:
    """Return what is wrong with the adopted users of an environment's file.

    Args:
        data: of the file.
        services: names of all declared services, whether or not they run in this environment: the
            names of their managers and owners are the same in each.

    """
    taken: dict[str, Loc] = {}
    owners, applications = _owners(services), {_application(name): name for name in services}
    for loc, user in _adopted(data):
        if user in owners or user.startswith(RESERVED_PREFIX):
            whose = owners.get(user, "a name that PostgreSQL reserves")
            expected = "a user whom nobody else depends on"
            yield FieldError((*loc, "username"), f"is {shown(user)}, {whose}", expected)
        elif user in taken:
            what = f"is {shown(user)}, as in {dotted(taken[user])}"
            yield FieldError((*loc, "username"), what, "one secret for each user")
        elif applications.get(user, loc[1]) != loc[1]:
            what = f"is {shown(user)}, the user of the service {applications[user]}"
            yield FieldError((*loc, "username"), what, "a user whom nobody else depends on")
        taken.setdefault(user, loc)


def service_problems(data: Data, *, stem: str) -> Iterator[FieldError]:
    """Return what is wrong with the database users that the service *stem* would get."""
    if "database" in data and any(user.startswith(RESERVED_PREFIX) for user in _roles(stem)):
        what = f"is {shown(stem)}, whose database users would begin with {RESERVED_PREFIX}"
        expected = "another first word, as PostgreSQL keeps such names to itself"
        yield FieldError(("service",), what, expected)


def endpoint_problems(
    data: Data, *, stem: str, environments: Mapping[str, Data]
) -> Iterator[FieldError]:
    """Return the databases of the environment *stem* that one before it in *environments* has too.

    An address of the machine itself is another database on each server.
    """
    before = list(environments)[: list(environments).index(stem)]
    for service in section(data, "services"):
        endpoint = section(data, "services", service).get("database")
        if not isinstance(endpoint, str) or loopback(f"tcp://{endpoint}"):
            continue
        for other in before:
            if section(environments[other], "services", service).get("database") == endpoint:
                what = f"is {shown(endpoint)}, as in environments/{other}.yaml"
                expected = (
                    "a database server of its own, as each Vault changes its manager's password"
                )
                yield FieldError(("services", service, "database"), what, expected)


def _adopted(data: Data) -> Iterator[tuple[Loc, str]]:
    for service in section(data, "services"):
        for secret in section(data, "services", service, "adopted"):
            user = section(data, "services", service, "adopted", secret).get("username")
            if isinstance(user, str):
                yield ("services", service, "adopted", secret), user


def _owners(services: Collection[str]) -> Mapping[str, str]:
    """Return the users that are somebody's → whose, as a message says it."""
    found = {SUPERUSER: "the superuser"}
    for name in services:
        for user, what in zip(_roles(name), ("manager", "owner"), strict=False):
            found[user] = f"the {what} of the service {name}"
    return found


def _application(service: str) -> str:
    """Return the user that the local runtime makes for *service*, and most teams have."""
    return f"{service.replace('-', '_')}_app"


def _roles(service: str) -> tuple[str, ...]:
    try:
        scope = Scope(service, Environment.DEV)  # the environment is no part of these names
    except InvalidName:
        return ()
    return (scope.manager_role, scope.owner_role)
