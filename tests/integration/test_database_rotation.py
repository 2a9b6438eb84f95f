"""Rotations and revocations under the load of 16 threads that query without pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from app_integration.client import Client
from app_integration.database import LeasedCredentials
from tests.support.databases.database import ROLE, Database, eventually, leases
from tests.support.databases.query_load import (
    THREADS,
    query_function,
    query_load,
    rotate_under_load,
)
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.alone]

ROTATIONS = {"engine": 100, "pool": 25}
REVOCATIONS = 5
#: Seconds. Leases this short are renewed, cut short and replaced within one test.
SHORT, SHORT_MAX = 2, 3


@pytest.fixture
def users(service: Client, deployment: Deployment) -> Iterator[LeasedCredentials]:
    with leases(deployment.operator, ttl=SHORT, max_ttl=SHORT_MAX):
        provider = LeasedCredentials(service.session, ROLE)
        yield provider
        provider.close()


@pytest.fixture(params=["engine", "pool"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(kind: str, service: Client, users: LeasedCredentials) -> Iterator[Callable[[], str]]:
    with ExitStack() as stack:
        yield query_function(kind, users, service.secrets.get("database-url"), stack)


def test_rotations_lose_no_query(
    kind: str,
    ask: Callable[[], str],
    users: LeasedCredentials,
    database: Database,
    record_property: Callable[[str, object], None],
) -> None:
    tally = rotate_under_load(ask, users, database, ROTATIONS[kind])
    assert tally.failures == []
    record_property("queries", sum(tally.users.values()))


def test_revoked_prefix_fails_at_most_the_open_connections(
    ask: Callable[[], str],
    users: LeasedCredentials,
    database: Database,
    deployment: Deployment,
    record_property: Callable[[str, object], None],
) -> None:
    failed, seconds = [], []
    with query_load(ask) as tally:
        for _ in range(REVOCATIONS):
            before = users.current().username
            assert eventually(partial(tally.has, before, THREADS))
            start = tally.reset()
            deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})
            assert eventually(lambda: tally.replaced_at is not None)
            after = users.current().username
            assert eventually(partial(tally.has, after, THREADS))
            failed.append(len(tally.failures))
            seconds.append(round(float(tally.replaced_at or 0) - start, 3))
    record_property("failed", failed)
    record_property("seconds", seconds)
    assert max(failed) <= THREADS
    assert eventually(lambda: database.leased_users() <= {users.current().username})
    assert database.dropped_users_sessions() == 0
