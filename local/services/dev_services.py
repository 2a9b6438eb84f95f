"""Services of ``dev`` on this machine: their accounts and addresses on its servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from app_integration.names import Environment, secret_name, variable_name
from local.access import Access
from local.layout import Layout
from local.ports import HOST, Ports
from local.status_record import StatusRecord
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database, ServiceDatabase, SharedDatabase
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import ServiceDeclaration
from vault.declare.schema.redis import RedisServer
from vault.dotenv.account_names import mail_parts, mail_passwords

if TYPE_CHECKING:
    from vault.declare.dev_values.shared_values import SharedFiles


def service_accesses(
    layout: Layout, ports: Ports, declaration: Declaration, check_listener: Callable[[str], None]
) -> list[Access]:
    """Return the accounts of each service of ``dev``, in the order of the environment's file."""
    accesses = []
    for scope in declaration.scopes(Environment.DEV):
        service = declaration.service(scope.service)
        database = service.database
        own = database.name if isinstance(database, Database) else None
        shared = _shared_database(declaration, database)
        redis, mail = service.redis is not None, _mail_passwords(service)
        owner = declaration.database_owner(scope)
        server = find_own_server(declaration.deployment(owner).database, ports)
        accesses.append(
            Access(layout, ports, scope, check_listener, own, shared, redis, mail, server)
        )
    return accesses


def _mail_passwords(service: ServiceDeclaration) -> tuple[str, ...]:
    """Return the names of the secrets that are the password of a mail account."""
    declared = map(variable_name, (*service.settings, *service.secrets))
    found = {secret_name(each) for each in mail_passwords(declared)}
    return ("smtp-password", *sorted((found & service.secrets.keys()) - {"smtp-password"}))


def _mail_settings(
    service: ServiceDeclaration, named: Collection[str], ports: Ports
) -> dict[str, str | int | bool]:
    """Return the settings of *service* that describe a mail account, for this machine's server.

    A user that is among those *named* for dev stays.
    """
    local: dict[str, str | int | bool] = {
        "host": HOST,
        "port": ports.smtp,
        "user": service.service,
        "tls": False,
    }
    found = {
        secret_name(name): part
        for parts in mail_parts(map(variable_name, (*service.settings, *service.secrets))).values()
        for name, part in parts.items()
    }
    types = {name: spec.type for name, spec in service.settings.items()}
    return {
        name: _convert(local[part], types[name])
        for name, part in found.items()
        if part in local and name in types and (types[name] == "text" or part in {"port", "tls"})
        if part != "user" or name not in named
    }


def _convert(value: str | int | bool, kind: str) -> str | int | bool:
    """Return *value* as a setting of that type, such as ``0`` for ``False``."""
    if kind == "text":
        return str(value)
    return int(value) if kind == "integer" else bool(value)


def find_own_server(declared: Endpoint | None, ports: Ports) -> tuple[str, int] | None:
    """Return host and port of the team's own server, or None if the local one is declared."""
    if declared is None:
        return None
    is_here = declared.host in (HOST, "localhost")
    if is_here and declared.port in (Ports().database, ports.database):
        return None
    return declared.host, declared.port


def _shared_database(declaration: Declaration, database: ServiceDatabase | None) -> str | None:
    """Return the name of the database if it belongs to another service, otherwise None."""
    if not isinstance(database, SharedDatabase):
        return None
    owned = declaration.service(database.of).database
    return owned.name if isinstance(owned, Database) else None


def status_record(declaration: Declaration, accesses: Iterable[Access]) -> StatusRecord:
    """Return what ``status`` looks at apart from processes, as it is declared."""
    own = dict.fromkeys(each.own_server for each in accesses if each.administrator is not None)
    services = [scope.service for scope in declaration.scopes(Environment.DEV)]
    configs = {each: declaration.service(each).config for each in services}
    return StatusRecord(
        tuple(filter(None, own)), {name: each.file for name, each in configs.items() if each}
    )


def shared_files(declaration: Declaration) -> SharedFiles:
    """Return the files of values that the team shares, for the developer on this machine."""
    from vault.declare.dev_values.identity import identity_path  # noqa: PLC0415 (loads cryptography)
    from vault.declare.dev_values.shared_values import SharedFiles  # noqa: PLC0415 (as above)

    return SharedFiles(declaration, identity_path(os.environ))


def with_managers(declaration: Declaration, accesses: Iterable[Access]) -> Declaration:
    """Return *declaration* with the managers that this deployment has on the team's own servers."""
    own = [each for each in accesses if each.administrator is not None]
    return replace(declaration, managers={a.scope: a.require_database().roles.manager for a in own})


def with_local_servers(declaration: Declaration, ports: Ports) -> Declaration:
    """Return *declaration* with the addresses of this machine's Redis and mail server.

    So is that of its database, unless another server is declared, which is the team's own.
    """
    endpoint, changed = Endpoint(HOST, ports.database), declaration
    redis = RedisServer.model_validate({"address": str(Endpoint(HOST, ports.redis))})
    for scope in declaration.scopes(Environment.DEV):
        service = declaration.service(scope.service)
        is_own = find_own_server(declaration.deployment(scope).database, ports) is not None
        has_local = isinstance(service.database, Database) and not is_own
        changed = changed.with_deployment(
            scope,
            database=endpoint if has_local else None,
            redis=redis if service.redis else None,
            settings=_mail_settings(service, declaration.deployment(scope).settings, ports),
        )
    return changed
