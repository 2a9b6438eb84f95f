"""Rotations of leased users under Django, with more repetitions than ``make test`` has time for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.databases import django_project

django_project.set_up()

from tests.support.databases.database import Database, leases  # noqa: E402 (Django must be set up first)
from tests.support.databases.leased_django import (  # noqa: E402 (as above)
    KINDS,
    close_connection,
    get_users,
    leased_database,
    query_user,
)
from tests.support.databases.query_load import rotate_under_load  # noqa: E402 (as above)
from tests.support.servers.deployment import Deployment  # noqa: E402 (as above)

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(3600)]

ROTATIONS = 100


@pytest.mark.usefixtures("default_client_on_server")
@pytest.mark.parametrize("kind", KINDS)
def test_hundred_rotations_under_load_fail_no_query(
    kind: str,
    deployment: Deployment,
    database: Database,
    record_property: Callable[[str, object], None],
) -> None:
    # A longer TTL than in the short run, for the reason that tests/nightly/test_long_runs.py gives.
    with leases(deployment.operator, ttl=6, max_ttl=9), leased_database(**KINDS[kind]):
        tally = rotate_under_load(query_user, get_users(), database, ROTATIONS, close_connection)
    assert tally.failures == []
    assert len(tally.users) >= ROTATIONS
    record_property("queries", sum(tally.users.values()))
