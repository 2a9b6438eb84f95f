"""PostgreSQL away while a user is made, renewed or dropped: no user is left without a lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from app_integration.client import Client
from app_integration.database import LeasedCredentials, leased_engine
from app_integration.errors import ServerFault
from app_integration.settings import Limits
from tests.support.databases.database import ROLE, Database, eventually
from tests.support.servers.deployment import Deployment
from vault.runtime.embedded import Embedded

pytestmark = pytest.mark.requires("embedded")

PATIENCE = 90.0  # seconds; the server repeats a revocation after 10, then after longer pauses


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(service: Client, clock: Clock) -> Iterator[LeasedCredentials]:
    held = LeasedCredentials(
        service.session, ROLE, clock=clock, chance=lambda: 0.0, background=False
    )
    yield held
    held.close()


@contextmanager
def without_postgresql(deployment: Deployment) -> Iterator[None]:
    servers = deployment.local.servers
    if not isinstance(servers, Embedded):
        pytest.skip("stops a process of the embedded runtime")
    servers.processes.stop("database")
    try:
        yield
    finally:
        deployment.revive()


def irrevocable(deployment: Deployment) -> int:
    """Leases that the server has given up on."""
    answer = deployment.operator.get("sys/leases/count?type=irrevocable")
    return int(answer["data"]["lease_count"])


def test_no_user_is_made_without_a_lease(
    deployment: Deployment, users: LeasedCredentials, database: Database
) -> None:
    before = database.leased()
    with without_postgresql(deployment), pytest.raises(ServerFault):
        users.current()
    assert database.leased() == before
    assert users.current().username in database.leased()


def test_a_lease_that_cannot_be_renewed_is_kept_and_renewed_later(
    deployment: Deployment,
    users: LeasedCredentials,
    clock: Clock,
    database: Database,
    service: Client,
) -> None:
    engine = leased_engine(users, service.secrets.get("database-url"))
    lease = users.current()
    with without_postgresql(deployment):
        clock.now = lease.ttl * Limits().lease_rotate_at
        assert users.maintain() > 0  # and raises nothing
        assert users.current() is lease
    clock.now += 60
    users.maintain()
    assert users.current().username == lease.username
    assert users.current().issued_at == clock.now
    with engine.connect() as connection:
        assert connection.execute(text("SELECT session_user")).scalar() == lease.username
    engine.dispose()
    assert lease.username in database.leased()


def test_a_user_that_could_not_be_dropped_is_dropped_once_the_database_is_back(
    deployment: Deployment, users: LeasedCredentials, database: Database
) -> None:
    user = users.current().username
    with without_postgresql(deployment):
        users.close()  # doesn't wait for the database
    assert user in database.leased()
    assert eventually(lambda: user not in database.leased(), PATIENCE)
    assert irrevocable(deployment) == 0
