"""Services of ``dev`` on this machine: their accounts and addresses on its servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from app_integration.names import Environment
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database, ServiceDatabase, SharedDatabase
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.redis import RedisServer
from vault.runtime.access import Access
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports

if TYPE_CHECKING:
    from vault.declare.dev_values.shared_values import SharedFiles


def service_accesses(
    layout: Layout, ports: Ports, declaration: Declaration, check_listener: Callable[[str], None]
) -> list[Access]:
    """Return the accounts of each service of ``dev``, in the order of the environment's file.

    Args:
        layout: Contains the passwords.
        ports: Ports of the servers.
        declaration: The loaded declaration.
        check_listener: Takes a server's name, and raises if another process listens on its port.

    """
    accesses = []
    for scope in declaration.scopes(Environment.DEV):
        database = declaration.service(scope.service).database
        own = database.name if isinstance(database, Database) else None
        shared = _shared_database(declaration, database)
        redis = declaration.service(scope.service).redis is not None
        accesses.append(Access(layout, ports, scope, check_listener, own, shared, redis))
    return accesses


def _shared_database(declaration: Declaration, database: ServiceDatabase | None) -> str | None:
    """Return the name of the database if it belongs to another service, otherwise None."""
    if not isinstance(database, SharedDatabase):
        return None
    owned = declaration.service(database.of).database
    return owned.name if isinstance(owned, Database) else None


def shared_files(declaration: Declaration) -> SharedFiles:
    """Return the files of values that the team shares, for the developer on this machine."""
    from vault.declare.dev_values.identity import identity_path  # noqa: PLC0415 (loads cryptography)
    from vault.declare.dev_values.shared_values import SharedFiles  # noqa: PLC0415 (as above)

    return SharedFiles(declaration, identity_path(os.environ))


def with_local_addresses(declaration: Declaration, ports: Ports) -> Declaration:
    """Return *declaration* with this machine's addresses instead of those in ``dev.yaml``."""
    return with_local_servers(declaration.with_vault(Environment.DEV, ports.vault_address), ports)


def with_local_servers(declaration: Declaration, ports: Ports) -> Declaration:
    """Return *declaration* with the addresses of this machine's database, Redis and mail server."""
    known: Mapping[str, str | int | bool] = {"smtp-host": HOST, "smtp-port": ports.smtp}
    endpoint, changed = Endpoint(HOST, ports.database), declaration
    redis = RedisServer.model_validate({"address": str(Endpoint(HOST, ports.redis))})
    for scope in declaration.scopes(Environment.DEV):
        service = declaration.service(scope.service)
        changed = changed.with_deployment(
            scope,
            database=endpoint if isinstance(service.database, Database) else None,
            redis=redis if service.redis else None,
            settings={name: value for name, value in known.items() if name in service.settings},
        )
    return changed
