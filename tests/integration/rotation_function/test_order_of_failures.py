"""The rotation function on moto's server and a real PostgreSQL, in every order of failure.

While a test rotates, an application logs in all the time, with the current URL and with one that it
has cached for as long as it may. None of its logins may fail.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from typing import Final

import pytest

from app_integration.aws.request import AwsRequest
from app_integration.secret import Secret
from aws.resources.secret_version import write_version
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.errors import RotationRefused
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Outcome, Step
from local.servers.accounts import DatabaseAccounts
from tests.support.servers.killed_rotation import Kill, Killed, refuse_second_value, run_killed
from tests.support.servers.rotation_site import (
    USERS,
    RotatedSecret,
    open_database,
    url_of,
    user_of,
    watched,
)

pytestmark = pytest.mark.requires("embedded")

#: More than any step makes.
MAX_CALLS: Final = 9


def test_users_alternate_and_the_previous_password_works_until_the_next_rotation(
    secret: RotatedSecret,
) -> None:
    with watched(secret) as application:
        for number in range(1, 4):
            application.refresh()
            before = secret.value()
            secret.rotate()
            assert user_of(secret.value()) == USERS[number % 2]
            assert secret.value("AWSPREVIOUS") == before
            open_database(before).close()


def test_sessions_of_the_user_that_gets_a_password_are_logged(
    secret: RotatedSecret, caplog: pytest.LogCaptureFixture
) -> None:
    secret.rotate()
    with open_database(secret.value("AWSPREVIOUS")) as connection:
        connection.execute("SET application_name = 'slow-worker'")
        with caplog.at_level(logging.INFO, "strongroom.rotation"):
            secret.rotate()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    logged = [
        json.loads(each.getMessage())
        for each in caplog.records
        if each.name == "strongroom.rotation"
    ]
    lagging = [(each["Step"], each["lagging"]) for each in logged if "lagging" in each]
    assert lagging == [("setSecret", {"slow-worker": 1})]


def test_url_keeps_everything_but_the_login(secret: RotatedSecret) -> None:
    before = DatabaseUrl.parse(secret.value(), "url")
    secret.rotate()
    after = DatabaseUrl.parse(secret.value(), "url")
    assert (after.scheme, after.address) == (before.scheme, before.address)


def test_both_users_work_on_the_same_tables(secret: RotatedSecret) -> None:
    with open_database(secret.value()) as connection:
        connection.execute("DROP TABLE IF EXISTS parcels")
        connection.execute("CREATE TABLE parcels AS SELECT 1 AS id")
    before = user_of(secret.value())
    secret.rotate()
    assert user_of(secret.value()) != before
    with open_database(secret.value()) as connection:
        connection.execute("ALTER TABLE parcels ADD COLUMN weight int")
        connection.execute("UPDATE parcels SET weight = 20")
        assert connection.execute("TABLE parcels").fetchall() == [(1, 20)]
        connection.execute("DROP TABLE parcels")
        assert connection.execute("SELECT to_regclass('parcels')").fetchone() == (None,)


def test_invocation_that_is_killed_at_any_call_leaves_no_window(secret: RotatedSecret) -> None:
    """Kill each step before and after each of its calls, and repeat it or begin again."""
    killed = set()
    with watched(secret) as application:
        for at, is_late in product(range(MAX_CALLS), (False, True)):
            application.refresh()
            before, token = secret.value(), secret.begin()
            for step in Step:
                try:
                    run_killed(secret, step, token, Kill(at, is_late=is_late))
                except Killed:
                    killed.add((step, at, is_late))
                    for each in [*Step][: [*Step].index(step)] * is_late:
                        secret.run(each, token)
                    secret.run(step, token)
            assert secret.version("AWSCURRENT") == token
            assert user_of(secret.value()) != user_of(before)
            open_database(secret.value()).close()
    calls = {step: sum(each == step for each, _, _ in killed) for step in Step}
    assert calls == {Step.CREATE: 8, Step.SET: 16, Step.TEST: 10, Step.FINISH: 12}
    assert not any(at == MAX_CALLS - 1 for _, at, _ in killed)


@pytest.mark.parametrize("step", [*Step])
def test_step_that_is_repeated_changes_nothing(secret: RotatedSecret, step: Step) -> None:
    token = secret.begin()
    for each in Step:
        secret.run(each, token)
        if each is step:
            break
    pending = secret.value("AWSPENDING")
    repeated = secret.run(step, token)
    assert secret.value("AWSPENDING") == pending
    assert repeated is {
        Step.CREATE: Outcome.ALREADY_DONE,
        Step.FINISH: Outcome.ALREADY_CURRENT,
    }.get(step, Outcome.DONE)


def test_two_invocations_at_once_rotate_once(secret: RotatedSecret) -> None:
    call = refuse_second_value(secret.function.connection.call)
    with watched(secret) as application, ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            application.refresh()
            token = secret.begin()
            for step in Step:
                both = [pool.submit(secret.run, step, token, call) for _ in range(2)]
                for each in both:
                    each.result(30)
            assert secret.version("AWSCURRENT") == token
            open_database(secret.value()).close()


def test_delayed_invocation_of_an_abandoned_rotation_sets_no_password(
    secret: RotatedSecret,
) -> None:
    """Let another rotation finish between the manager's read and the change of the password."""
    abandoned = secret.begin()
    secret.run(Step.CREATE, abandoned)
    rotated = threading.Event()

    def call(request: AwsRequest) -> object:
        found = secret.function.connection.call(request)
        if request.resource == manager_secret(secret.name) and not rotated.is_set():
            rotated.set()
            secret.rotate()
        return found

    with watched(secret):
        with pytest.raises(RotationRefused, match="not the pending version"):
            secret.run(Step.SET, abandoned, call)  # type: ignore[arg-type] # what it returns is
        assert rotated.is_set()
        open_database(secret.value()).close()


def test_url_that_is_written_while_a_password_is_set_keeps_its_login(
    secret: RotatedSecret, accounts: DatabaseAccounts
) -> None:
    """Write a URL of the other user between the manager's read and the change of the password."""
    token = secret.begin()
    secret.run(Step.CREATE, token)
    own = url_of(accounts, USERS[1], "by-the-operator")

    def call(request: AwsRequest) -> object:
        found = secret.function.connection.call(request)
        if request.resource == manager_secret(secret.name):
            accounts.set_password(USERS[1], Secret("by-the-operator"))
            seen = secret.version("AWSCURRENT")
            write_version(secret.function.connection, secret.name, own, seen)
        return found

    with watched(secret):
        with pytest.raises(RotationRefused, match="another version became the current one"):
            secret.run(Step.SET, token, call)  # type: ignore[arg-type] # what it returns is
        assert secret.value() == own
        open_database(own).close()


def test_first_rotation_leaves_a_user_outside_of_the_pair(
    secret: RotatedSecret, accounts: DatabaseAccounts
) -> None:
    url = accounts.url()
    secret.site.operator.put_secret_value(SecretId=secret.name, SecretString=url.reveal())
    with watched(secret):
        secret.rotate()
    assert user_of(secret.value()) == USERS[0]
    open_database(url).close()


@pytest.mark.parametrize("seed", range(3))
def test_steps_in_random_order_by_several_invocations_leave_no_window(
    secret: RotatedSecret, seed: int
) -> None:
    call = refuse_second_value(secret.function.connection.call)
    token = secret.begin()

    def invoke(number: int) -> None:
        order = random.Random(f"{seed} {number}")  # noqa: S311 (an order of steps)
        for _ in range(8):
            with suppress(RotationRefused):
                secret.run(order.choice([*Step]), token, call)

    with watched(secret), ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(invoke, number) for number in range(3)]:
            each.result(30)
        secret.run_all(token, call)
        assert secret.version("AWSCURRENT") == token
        open_database(secret.value()).close()


def test_new_rotation_waits_while_an_abandoned_one_sets_a_password(
    secret: RotatedSecret,
) -> None:
    """Begin another rotation after the abandoned one was confirmed, before it sets a password."""
    abandoned = secret.begin()
    secret.run(Step.CREATE, abandoned)
    descriptions: list[AwsRequest] = []
    with watched(secret), ThreadPoolExecutor(1) as pool:

        def call(request: AwsRequest) -> object:
            found = secret.function.connection.call(request)
            descriptions.extend([request] * (request.operation == "DescribeSecret"))
            if len(descriptions) == 2 and request is descriptions[-1]:
                rotations.append(pool.submit(secret.rotate))
                with suppress(TimeoutError):
                    rotations[0].result(0.5)  # it cannot end before the lock is free
            return found

        rotations: list[Future[None]] = []
        secret.run(Step.SET, abandoned, call)  # type: ignore[arg-type] # what it returns is
        rotations[0].result(30)
        assert secret.version("AWSCURRENT") != abandoned
        open_database(secret.value()).close()


def test_rotation_after_a_stuck_one_begins_with_a_new_token(secret: RotatedSecret) -> None:
    """Abandon a rotation whose pending version works already, as AWS does when it is cancelled."""
    with watched(secret):
        stuck = secret.begin()
        for step in (Step.CREATE, Step.SET):
            secret.run(step, stuck)
        secret.site.operator.update_secret_version_stage(
            SecretId=secret.name, VersionStage="AWSPENDING", RemoveFromVersionId=stuck
        )
        secret.rotate()
        assert secret.version("AWSCURRENT") != stuck
        open_database(secret.value()).close()
