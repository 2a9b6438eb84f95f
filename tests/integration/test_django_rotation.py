"""Rotations and revocations under the load of 16 threads that query through Django."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support.databases import django_project

django_project.set_up()

from app_integration.database import LeasedCredentials  # noqa: E402 (Django must be set up first)
from tests.support.databases.database import ROLE, Database, eventually, leases  # noqa: E402
from tests.support.databases.leased_django import (  # noqa: E402 (as above)
    KINDS,
    close_connection,
    get_users,
    leased_database,
    query_user,
)
from tests.support.databases.query_load import (  # noqa: E402 (as above)
    THREADS,
    query_load,
    rotate_under_load,
)
from tests.support.servers.deployment import Deployment  # noqa: E402 (as above)

pytestmark = [
    pytest.mark.requires("embedded"),
    pytest.mark.alone,
    pytest.mark.usefixtures("default_client_on_server"),
]

ROTATIONS = 20
REVOCATIONS = 2
#: Seconds. Leases this short are renewed, cut short and replaced within one test.
SHORT, SHORT_MAX = 2, 3


@pytest.fixture(params=KINDS)
def users(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[LeasedCredentials]:
    with (
        leases(deployment.operator, ttl=SHORT, max_ttl=SHORT_MAX),
        leased_database(**KINDS[request.param]),
    ):
        yield get_users()


def test_rotations_lose_no_query(
    users: LeasedCredentials, database: Database, record_property: Callable[[str, object], None]
) -> None:
    tally = rotate_under_load(query_user, users, database, ROTATIONS, close_connection)
    record_property("queries", sum(tally.users.values()))


def test_revoked_leases_are_replaced_at_the_next_request(
    users: LeasedCredentials,
    database: Database,
    deployment: Deployment,
    record_property: Callable[[str, object], None],
) -> None:
    failed = []
    with query_load(query_user, close_connection) as tally:
        for _ in range(REVOCATIONS):
            before = users.current().username
            assert eventually(partial(tally.has, before, THREADS))
            tally.reset()
            deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})
            assert eventually(lambda: tally.replaced_at is not None)
            after = users.current().username
            assert eventually(partial(tally.has, after, THREADS))
            failed.append(len(tally.failures))
    record_property("failed", failed)
    assert max(failed) <= THREADS
    assert eventually(lambda: database.leased_users() <= {users.current().username})
    assert database.dropped_users_sessions() == 0
