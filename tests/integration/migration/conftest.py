"""Fixtures of tests of migrations: one server, and a database for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_integration.names import Environment, Scope
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres
from vault.runtime.servers.accounts import Superuser


@pytest.fixture(scope="session")
def superuser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superuser]:
    """Run PostgreSQL for the tests of this process."""
    folder = tmp_path_factory.mktemp("migrations")
    with store_postgres(folder, Scope("shop", Environment.DEV)) as accounts:
        yield accounts.superuser


@pytest.fixture(scope="module")
def database(superuser: Superuser) -> OwnDatabase:
    """Return an empty database."""
    found = OwnDatabase(superuser, "migrated")
    found.create()
    return found
