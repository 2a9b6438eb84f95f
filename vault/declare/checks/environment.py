"""Checks of an environment file across fields: references to services, stricter rules for prod.

The checks read plain data instead of validated models, so that one run reports every error. See
:mod:`vault.declare.checks.service`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from app_integration.errors import InvalidName
from app_integration.names import Environment, Scope
from vault.declare.checks.service import Data, find_name_error, owns_database, section
from vault.declare.checks.shared_server import deployment_id
from vault.declare.errors import (
    FieldError,
    InvalidValue,
    Loc,
    format_value,
    join_names,
    suggest,
)
from vault.declare.schema import adopted_secret, paired_secret
from vault.declare.schema.field_types import is_loopback, split_address
from vault.declare.schema.setting import find_type_error
from vault.declare.server_names import AUDITOR_JOB, DEVELOPER, PLAN_JOB, server_name

#: Policies that a person may have in addition to those of services, by their names under the
#: default id. Job policies are excluded.
PEOPLE_POLICIES = (DEVELOPER, PLAN_JOB, AUDITOR_JOB)

#: Tags that apply sets on every secret from other keys, so the file must not set them.
RESERVED_TAGS = ("environment", "owner")


def find_errors(
    data: Data, *, stem: str, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Return the errors of the environment file *stem*.yaml."""
    yield from _name(data, stem)
    yield from _tags(data)
    yield from _server(data, stem)
    yield from _people(data, stem)
    for name in section(data, "services"):
        if name not in services:
            near = suggest(name, services)
            what = f"has the unknown service {format_value(name)}"
            loc: Loc = ("services", name)
            yield FieldError(loc, what, join_names(services), near, subject=("services",))
            continue
        service = services[name]
        if service is not None:
            deployment = section(data, "services", name)
            yield from _deployment(name, deployment, service, needs_database="aws" not in data)
            yield from adopted_secret.find_errors(name, deployment, service, stem)
            yield from paired_secret.find_errors(name, deployment, service, stem)


def find_like_errors(
    data: Data, *, stem: str, environments: Mapping[str, Data]
) -> Iterator[FieldError]:
    """Return the error of the environment that *stem* says it is like.

    That one must be declared and must not be dev, because what is lenient in dev would then seem to
    be so here. It must not be like a third one, so that there are no chains and no cycles.
    """
    like = data.get("like")
    known = environments.keys() - {stem, Environment.DEV}
    if not isinstance(like, str):
        return
    if stem == Environment.DEV:
        yield FieldError(("like",), "is set", "nothing, as dev alone is lenient")
    elif like == Environment.DEV:
        expected = "another environment, as only dev is lenient"
        yield FieldError(("like",), f"is {format_value(like)}", expected)
    elif like not in known:
        what = (
            f"is {format_value(like)}" if like == stem else f"is the unknown environment {like!r}"
        )
        near = suggest(like, known) if like != stem else None
        yield FieldError(("like",), what, join_names(known), near)
    elif isinstance(third := environments[like].get("like"), str):
        what = f"is {format_value(like)}, which is like {format_value(third)} itself"
        yield FieldError(("like",), what, format_value(third))


def find_address_error(environment: str, address: str) -> InvalidValue | None:
    """Return an error if *address* uses http where *environment* requires https.

    Plain http is allowed in dev only, and only for a loopback address.
    """
    parts = split_address(address)
    if parts is None or parts.scheme != "http":
        return None
    if environment != Environment.DEV:
        return InvalidValue(f"is {format_value(address)}", f"https:// in {environment}")
    if not is_loopback(address):
        return InvalidValue(
            f"is {format_value(address)}", "https://, as http:// is for this machine only"
        )
    return None


def _name(data: Data, stem: str) -> Iterator[FieldError]:
    """Return an error if the name of the environment is not that of the file."""
    try:
        Environment(stem)
    except InvalidName:
        name = data.get("environment")
        if isinstance(name, str) and name != stem:
            what = f"is {format_value(name)} in {stem}.yaml"
            yield FieldError(("environment",), what, f"{name}.yaml, the name of the file")
    else:
        yield from find_name_error(data, "environment", stem)


def _tags(data: Data) -> Iterator[FieldError]:
    for name in RESERVED_TAGS:
        if name in section(data, "tags"):
            what = f"has the tag {name!r}, which is set from the key {name!r}"
            yield FieldError(("tags", name), what, "another name", subject=("tags",))


def _server(data: Data, stem: str) -> Iterator[FieldError]:
    if "aws" in data:
        return
    loc: Loc = ("vault", "address")
    address, extra = map(section(data, "vault").get, ("address", "extra_addresses"))
    if address is None and Environment.PROD in {stem, data.get("like")}:
        where = stem if stem == Environment.PROD else f"{stem}, which is like prod"
        yield FieldError(loc, "is not set", f"https://host:port in {where}")
    elif address is None and extra:
        yield FieldError(loc, "is not set", "the first of them, with 'extra_addresses'")
    extras = enumerate(extra) if isinstance(extra, list) else ()
    located = [(loc, address), *((("vault", "extra_addresses", n), each) for n, each in extras)]
    for place, each in located:
        if isinstance(each, str) and (error := find_address_error(stem, each)):
            yield FieldError(place, error.what, error.expected)


def _people(data: Data, stem: str) -> Iterator[FieldError]:
    people = section(data, "people")
    if people and stem != Environment.DEV:
        expected = f"none in {stem}, as people log in with passwords in dev only"
        yield FieldError(("people",), "has the key 'people'", expected, subject=())
        return
    known = [*people_policies(data), *service_policies(data, stem)]
    for name in people:
        yield from find_unknown_policies(("people", name), section(people, name), known)


def find_unknown_policies(loc: Loc, entry: Data, known: Collection[str]) -> Iterator[FieldError]:
    """Return an error for each policy of a person or group that is not in *known*."""
    policies = entry.get("policies")
    for index, policy in enumerate(policies if isinstance(policies, tuple) else ()):
        if isinstance(policy, str) and policy not in known:
            what, near = (
                f"is the unknown policy {format_value(policy)}",
                suggest(policy, known),
            )
            yield FieldError((*loc, "policies", index), what, join_names(known), near)


def people_policies(data: Data) -> tuple[str, ...]:
    """Return the names on the server of :data:`PEOPLE_POLICIES`, for the file's deployment."""
    deployment = deployment_id(data)
    return tuple(server_name(deployment, name) for name in PEOPLE_POLICIES)


def service_policies(data: Data, stem: str) -> Iterator[str]:
    """Return the policy name of each service that runs in the environment *stem*."""
    for name in section(data, "services"):
        try:
            yield str(Scope(name, Environment(stem)))
        except InvalidName:
            continue


def _deployment(
    name: str, deployment: Data, service: Data, *, needs_database: bool
) -> Iterator[FieldError]:
    here = ("services", name)
    if needs_database and owns_database(service) and "database" not in deployment:
        yield FieldError((*here, "database"), "lacks the key 'database'", "host:port", subject=here)
    if "database" in deployment and "database" not in service:
        expected = f"nothing, as services/{name}.yaml declares no database"
        yield FieldError((*here, "database"), "is set", expected)
    elif "database" in deployment and not owns_database(service):
        expected = f"nothing, as services/{name}.yaml uses the database of another service"
        yield FieldError((*here, "database"), "is set", expected)
    yield from _redis(name, deployment, service, needs_server=needs_database)
    yield from _settings(name, section(deployment, "settings"), section(service, "settings"))


def _redis(
    name: str, deployment: Data, service: Data, *, needs_server: bool
) -> Iterator[FieldError]:
    here = ("services", name)
    server = section(deployment, "redis")
    address = server.get("address")
    if needs_server and "redis" in service and "redis" not in deployment:
        expected = "a mapping with address and ca"
        yield FieldError((*here, "redis"), "lacks the key 'redis'", expected, subject=here)
    if "redis" in deployment and "redis" not in service:
        expected = f"nothing, as services/{name}.yaml declares no redis"
        yield FieldError((*here, "redis"), "is set", expected)
    elif isinstance(address, str) and "ca" not in server and not is_loopback(f"tcp://{address}"):
        loc = (*here, "redis")
        yield FieldError(
            (*loc, "ca"), "lacks the key 'ca'", "a PEM file with the CA of Redis", subject=loc
        )


def _settings(name: str, values: Data, declared: Data) -> Iterator[FieldError]:
    here = ("services", name, "settings")
    for setting, value in values.items():
        if setting not in declared:
            what, near = (
                f"has the unknown setting {format_value(setting)}",
                suggest(setting, declared),
            )
            yield FieldError((*here, setting), what, join_names(declared), near, subject=here)
            continue
        error = find_type_error(section(declared, setting).get("type"), value)
        if error and isinstance(value, str | int):
            yield FieldError((*here, setting), error.what, error.expected, error.near)
    for setting, spec in declared.items():
        if setting not in values and isinstance(spec, Mapping) and "default" not in spec:
            what = f"lacks a value for {setting!r}"
            yield FieldError(
                (*here, setting), what, "one here or a default in the service", subject=here
            )
