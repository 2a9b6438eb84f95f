"""Celery on leased Redis users over many rotations, revocations and restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.databases.celery_load import celery_load
from tests.support.databases.redis_site import RedisSite, redis_site

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(3600)]

USERS = 100
ROUNDS = 10
EXECUTIONS = 50


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("celery")) as running:
        yield running


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_hundred_users_lose_and_repeat_no_task(
    site: RedisSite, tmp_path: Path, pool: str, record_property: Callable[[str, object], None]
) -> None:
    with celery_load(site, tmp_path, pool) as load:
        with load.producer() as found:
            load.wait_for_executions(EXECUTIONS)
            load.wait_for_users(USERS)
        load.check(found)
    record_property("tasks", len(found["accepted"]))
    assert found["failures"] == []
    assert max(load.executed().values()) == 1


def test_worker_goes_on_after_revocations_and_restarts(
    site: RedisSite, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with celery_load(site, tmp_path, "prefork") as load:
        with load.producer() as found:
            for _ in range(ROUNDS):
                load.wait_for_executions(EXECUTIONS)
                site.revoke_all()
                load.wait_for_executions(EXECUTIONS)
                site.restart()
        load.check(found, breaks=2 * ROUNDS)
    record_property("tasks", len(found["accepted"]))
    record_property("repeated", sum(count > 1 for count in load.executed().values()))
