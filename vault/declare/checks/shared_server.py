"""Checks of what an environment declares on a server that it shares: mounts, id, apply role.

The checks read plain data instead of validated models, so that one run reports every error. See
:mod:`vault.declare.checks.service`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Final

from app_integration._internal.server_urls import DEFAULT_PORTS
from app_integration.errors import InvalidName
from app_integration.mounts import DEFAULT_MOUNTS, find_overlap
from app_integration.names import Environment, Scope, check_service_name
from vault.declare.checks.aws import OF_VAULT
from vault.declare.checks.service import Data, section
from vault.declare.errors import FieldError, format_value
from vault.declare.schema.field_types import split_address
from vault.declare.server_names import DEFAULT_DEPLOYMENT, own_names

#: Sections about Vault that are the deployment's own. The objects of the others belong to the whole
#: server, so that a scoped apply role has no right to them.
_OWN: Final = frozenset({"vault", "tokens", "agent", "password_policies", "jobs"})

#: Mounts below ``auth/`` of the other methods, which have the names of their types.
_AUTH_METHODS: Final = frozenset({"token", "userpass", "jwt", "kubernetes", "cert", "oidc"})


def find_errors(
    data: Data, *, stem: str, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Return the errors of mounts, deployment id and apply role in the file *stem*.yaml."""
    paths = mount_paths(data)
    overlap = find_overlap((paths["kv"], paths["transit"], paths["database"]))
    if overlap is not None:
        what = (
            f"has the overlapping paths {format_value(overlap[1])} and {format_value(overlap[0])}"
        )
        yield FieldError(("vault", "mounts"), what, "one path for each engine, none inside another")
    if paths["approle"] in _AUTH_METHODS:
        what = f"is {format_value(paths['approle'])}, the mount of another auth method"
        yield FieldError(("vault", "mounts", "approle"), what, "a path of its own")
    yield from _contested_names(data, stem, services)
    if section(data, "vault").get("apply_role") == "scoped":
        yield from _server_wide(data)


def _server_wide(data: Data) -> Iterator[FieldError]:
    """Report what a scoped apply role has no right to, because it belongs to the whole server."""
    if section(data, "vault").get("audit_trace_ids"):
        what = "is set together with 'apply_role: scoped'"
        expected = "none, as it belongs to the whole server; the platform team declares it"
        yield FieldError(("vault", "audit_trace_ids"), what, expected)
    for name in OF_VAULT:
        if name not in _OWN and section(data, name):
            what = f"has the key {name!r} together with 'apply_role: scoped'"
            expected = "none, as it belongs to the whole server; the platform team declares it"
            yield FieldError((name,), what, expected, subject=())


def find_neighbour_errors(
    data: Data, *, stem: str, environments: Mapping[str, Data]
) -> Iterator[FieldError]:
    """Return the errors of the file *stem*.yaml that follow from other environments on its server.

    Two environments with one id would overwrite each other's job policies, and a scoped apply role
    has a right to all names that begin with one of its own.
    """
    servers = _servers(data)
    for name, other in sorted(environments.items()):
        if name == stem or servers.isdisjoint(_servers(other)):
            continue
        if name < stem and deployment_id(other) == deployment_id(data):
            address = format_value(section(data, "vault")["address"])
            what = f"is {address}, the server of {name} with the same deployment id"
            expected = f"a server of its own, or a 'deployment' other than {name}'s"
            yield FieldError(("vault", "address"), what, expected)
        if section(data, "vault").get("apply_role") == "scoped":
            yield from _names_of_others(data, stem, name, other)


def _servers(data: Data) -> set[tuple[str, str | None, int | None]]:
    """Return scheme, host and port of each valid address of the cluster.

    A final slash, the case of the host and the usual port do not make it another server.
    """
    address, extra = map(section(data, "vault").get, ("address", "extra_addresses"))
    texts = [each for each in (address, *(extra or ())) if isinstance(each, str)]
    return {
        (parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme))
        for parts in map(split_address, texts)
        if parts is not None
    }


def _names_of_others(data: Data, stem: str, name: str, other: Data) -> Iterator[FieldError]:
    """Report a name of the environment *name* that a scoped apply role has a right to as well."""
    own, others = mount_paths(data), mount_paths(other)
    if own["transit"] != others["transit"] and own["database"] != others["database"]:
        return
    prefixes = tuple(f"{service}-{stem}-" for service in section(data, "services"))
    for service in section(other, "services"):
        if f"{service}-{name}".startswith(prefixes):
            what = f"is 'scoped' with rights to {format_value(f'{service}-{name}')}, {name}'s, too"
            expected = f"other transit and database mounts than {name}'s"
            yield FieldError(("vault", "apply_role"), what, expected)


def mount_paths(data: Data) -> dict[str, str]:
    """Return the path of each mount in an environment file, by its key."""
    declared = section(data, "vault", "mounts")
    usual = {each.name: getattr(DEFAULT_MOUNTS, each.name) for each in fields(DEFAULT_MOUNTS)}
    return {name: str(declared.get(name, path)) for name, path in usual.items()}


def deployment_id(data: Data) -> str:
    """Return the deployment's id in an environment file, the default one if it is invalid."""
    try:
        return check_service_name(str(data.get("deployment", DEFAULT_DEPLOYMENT)))
    except InvalidName:
        return DEFAULT_DEPLOYMENT


def _contested_names(
    data: Data, stem: str, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Report a service with a name on the server that a job of the deployment has, too."""
    deployment = deployment_id(data)
    reserved = {*own_names(deployment)}
    for service in section(data, "services"):
        try:
            scope = Scope(service, Environment(stem))
        except (InvalidName, ValueError):
            continue
        keys = section(services.get(service) or {}, "keys")
        colours = section(data, "services", service).get("colours")
        parts = [*keys, *(colours if isinstance(colours, tuple) else ())]
        names = {str(scope), scope.starter, *(f"{scope}-{part}" for part in parts)}
        for name in sorted(names & reserved):
            what = f"leads to {format_value(name)}, which {service} in {stem} is called, too"
            yield FieldError(("deployment",), what, "another id")
