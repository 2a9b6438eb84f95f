"""PostgreSQL, with the store's database or empty, without a deployment around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app_integration.names import Scope
from app_integration.testing.ports import free_ports
from local.layout import Layout
from local.ports import Ports
from local.processes.processes import ProcessManager
from local.servers.accounts import DatabaseAccounts, Superuser
from local.servers.postgres import Postgres
from local.servers.service_roles import ServiceRoles


@contextmanager
def running_postgres(
    folder: Path, *services: ServiceRoles
) -> Iterator[tuple[Superuser, list[DatabaseAccounts]]]:
    """Run PostgreSQL with the databases of *services* during the block, and erase it at the end."""
    layout = Layout(folder / ".strongroom")
    layout.create()
    ports = replace(Ports(), database=free_ports(1)[0])
    superuser = Superuser(layout, ports.database, lambda: None)
    accounts = [DatabaseAccounts(superuser, each) for each in services]
    running = Postgres(layout, ports, ProcessManager(layout), accounts)
    try:
        running.start()
        yield superuser, accounts
    finally:
        running.stop()
        running.erase()


@contextmanager
def store_postgres(folder: Path, store: Scope) -> Iterator[DatabaseAccounts]:
    with running_postgres(folder, ServiceRoles(store, "gaara_store")) as (_, (accounts,)):
        yield accounts
