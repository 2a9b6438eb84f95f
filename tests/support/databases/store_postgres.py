"""PostgreSQL with the store's database, without a deployment around it."""

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
def store_postgres(folder: Path, store: Scope) -> Iterator[DatabaseAccounts]:
    """Run PostgreSQL during the block, and erase it at the end."""
    layout = Layout(folder / ".strongroom")
    layout.create()
    ports = replace(Ports(), database=free_ports(1)[0])
    superuser = Superuser(layout, ports.database, lambda: None)
    accounts = DatabaseAccounts(superuser, ServiceRoles(store, "gaara_store"))
    running = Postgres(layout, ports, ProcessManager(layout), [accounts])
    try:
        running.start()
        yield accounts
    finally:
        running.stop()
        running.erase()
