"""Fixtures of tests of migrations: one server, and a database for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_integration.integrations.plaintext import Phase
from app_integration.names import Environment, Scope
from local.servers.accounts import Superuser
from tests.integration.migration.test_course import Hotel
from tests.support.databases.guarded_members import GuardedMembers, guarded_members
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres
from tests.support.migrations import typed_site
from tests.support.migrations.typed_site import TypedSite


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


@pytest.fixture
def hotel(database: OwnDatabase) -> Iterator[Hotel]:
    """Yield a hotel whose migration is not begun."""
    with Hotel(database).with_table() as hotel:
        yield hotel


@pytest.fixture
def site(database: OwnDatabase) -> Iterator[TypedSite]:
    """Yield a guarded table with columns of every type."""
    with typed_site.typed_site(database) as site:
        yield site


@pytest.fixture
def members(default_client_on_server: None) -> Iterator[GuardedMembers]:
    """Yield a table whose guard refuses what a phase does not write."""
    del default_client_on_server
    with guarded_members() as members:
        yield members


@pytest.fixture(params=[*Phase])
def phase(request: pytest.FixtureRequest, members: GuardedMembers) -> Phase:
    """Return each phase, with the table as it is then."""
    found: Phase = request.param
    if found is not Phase.DUAL_WRITING:
        members.backfill()
    return found
