"""PostgreSQL outages during lease, renewal and revocation: no user stays without a lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from app_integration.client import Client
from app_integration.database import LeasedCredentials, leased_engine
from app_integration.errors import ServerFault
from app_integration.settings import Limits
from local.runtimes.embedded_runtime import EmbeddedRuntime
from tests.support.clock import Clock
from tests.support.databases.database import ROLE, Database, eventually
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

PATIENCE = 90.0  # seconds; the server repeats a revocation after 10 s, then after longer intervals


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(service: Client, clock: Clock) -> Iterator[LeasedCredentials]:
    provider = LeasedCredentials(
        service.session, ROLE, clock=clock, jitter=lambda: 0.0, background=False
    )
    yield provider
    provider.close()


@contextmanager
def without_postgresql(deployment: Deployment) -> Iterator[None]:
    servers = deployment.local.servers
    if not isinstance(servers, EmbeddedRuntime):
        pytest.skip("stops a process of the embedded runtime")
    servers.processes.stop("database")
    try:
        yield
    finally:
        deployment.revive()


def irrevocable(deployment: Deployment) -> int:
    """Return the number of leases that the server no longer tries to revoke."""
    response = deployment.operator.get("sys/leases/count?type=irrevocable")
    return int(response["data"]["lease_count"])


def test_failed_lease_creates_no_user(
    deployment: Deployment, users: LeasedCredentials, database: Database
) -> None:
    before = database.leased_users()
    with without_postgresql(deployment), pytest.raises(ServerFault):
        users.current()
    assert database.leased_users() == before
    assert users.current().username in database.leased_users()


def test_lease_not_renewed_in_an_outage_is_renewed_later(
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
    assert lease.username in database.leased_users()


def test_user_revoked_in_an_outage_is_dropped_after_it(
    deployment: Deployment, users: LeasedCredentials, database: Database
) -> None:
    user = users.current().username
    with without_postgresql(deployment):
        users.close()  # does not wait for the database
    assert user in database.leased_users()
    assert eventually(lambda: user not in database.leased_users(), PATIENCE)
    assert irrevocable(deployment) == 0
