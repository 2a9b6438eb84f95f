"""Rotation of a generated secret by the function, on moto's server."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest

from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.sources.aws import NEXT, AwsSource
from app_integration.testing.clock import Clock
from aws.resources.secret_version import write_version
from aws.rotation.errors import RotationRefused
from aws.rotation.instructions import ANNOUNCED_TAG, HOW_TAG, GeneratedInstructions
from aws.rotation.rotation import Outcome, Step
from tests.support.polling import wait_until
from tests.support.servers.killed_rotation import Kill, Killed
from tests.support.servers.rotation_site import Function, RotatedSecret
from tests.support.servers.secret_backends import AwsSite


@pytest.fixture
def secret(function: Function, aws_site: AwsSite) -> RotatedSecret:
    name = f"parcels-{secrets.token_hex(4)}/staging/jwt-secret"
    created = RotatedSecret(aws_site, function, name)
    created.create(Secret("first" * 10), str(GeneratedInstructions(48, "urlsafe")))
    return created


@pytest.fixture
def announced(secret: RotatedSecret) -> RotatedSecret:
    """Return the secret as a signing key that has been rotated once."""
    secret.site.operator.tag_resource(
        SecretId=secret.name, Tags=[{"Key": ANNOUNCED_TAG, "Value": "next"}]
    )
    secret.rotate()
    return secret


def test_announced_value_becomes_the_current_one_and_another_is_announced(
    announced: RotatedSecret,
) -> None:
    for _ in range(2):
        expected = announced.value(NEXT)
        announced.rotate()
        assert announced.value() == expected
        assert announced.value(NEXT) != expected


def test_no_process_signs_with_a_key_that_another_one_does_not_know(
    announced: RotatedSecret,
) -> None:
    """Refresh one of two processes after the other, before and after each rotation."""
    service, environment, name = announced.name.split("/")
    scope, clocks = Scope(service, Environment(environment)), (Clock(), Clock())
    source, audit = AwsSource(announced.site.connection, scope), AuditLog(scope, lambda _: None)
    stores = [SecretStore([source], audit, clock=clock) for clock in clocks]
    for _ in range(3):
        for clock in clocks:
            clock.sleep(stores[0].limits.cache_ttl)
            signing = {store.get(name) for store in stores}
            for store in stores:
                assert signing <= {*store.verification_keys(name)}
            assert announced.value(NEXT) in stores[clocks.index(clock)].verification_keys(name)
        announced.rotate()


def test_last_step_killed_at_each_call_announces_the_next_value_when_repeated(
    announced: RotatedSecret,
) -> None:
    for at, is_late in product(range(20), (False, True)):
        token, expected = announced.begin(), announced.value(NEXT)
        for step in (Step.CREATE, Step.SET, Step.TEST):
            announced.run(step, token)
        kill = Kill(at, is_late=is_late)
        try:
            announced.run(Step.FINISH, token, kill.wrap(announced.function.connection.call))
        except Killed:
            announced.run(Step.FINISH, token)
        assert (announced.value(), announced.value(NEXT) != expected) == (expected, True)
        if kill.calls <= at:
            break
    assert at > 5


def test_value_that_was_current_is_not_announced_again(announced: RotatedSecret) -> None:
    """Lose the last call of a rotation, which is never repeated."""
    token = announced.begin()
    announced.run_all(token)
    announced.site.operator.update_secret_version_stage(
        SecretId=announced.name,
        VersionStage=NEXT,
        MoveToVersionId=token,
        RemoveFromVersionId=announced.version(NEXT),
    )
    current = announced.value()
    announced.rotate()
    assert announced.value() != current


def test_announced_value_of_another_form_is_replaced(announced: RotatedSecret) -> None:
    how = str(GeneratedInstructions(64, "hex"))
    announced.site.operator.tag_resource(
        SecretId=announced.name, Tags=[{"Key": HOW_TAG, "Value": how}]
    )
    announced.rotate()
    assert [len(announced.value(label)) for label in ("AWSCURRENT", NEXT)] == [64, 64]


def test_new_value_has_the_declared_form_and_the_old_one_is_previous(
    secret: RotatedSecret,
) -> None:
    values = [secret.value()]
    for _ in range(3):
        secret.rotate()
        values.append(secret.value())
        assert secret.value("AWSPREVIOUS") == values[-2]
        assert len(values[-1]) == 48
    assert all(old != new for old, new in pairwise(values))


def test_steps_that_are_repeated_change_nothing(secret: RotatedSecret) -> None:
    token = secret.begin()
    secret.run(Step.CREATE, token)
    pending = secret.value("AWSPENDING")
    for step in (Step.CREATE, Step.SET, Step.SET, Step.TEST, Step.TEST, Step.FINISH):
        secret.run(step, token)
    assert secret.value() == pending
    assert {secret.run(step, token) for step in Step} == {Outcome.ALREADY_CURRENT}


def test_value_without_the_declared_form_is_not_promoted(secret: RotatedSecret) -> None:
    token = secret.begin()
    secret.site.operator.put_secret_value(
        SecretId=secret.name,
        ClientRequestToken=token,
        SecretString="hand-made",
        VersionStages=["AWSPENDING"],
    )
    for step in (Step.TEST, Step.FINISH):
        with pytest.raises(RotationRefused, match="is not 48 characters of urlsafe"):
            secret.run(step, token)


@pytest.mark.parametrize("writes", [1, 2])
def test_finished_rotation_that_is_repeated_after_a_write_promotes_nothing(
    secret: RotatedSecret, writes: int
) -> None:
    """Leave ``AWSPENDING`` on the finished version. With two writes, it is all that it has left."""
    token = secret.begin()
    secret.run_all(token)
    # A version of the same second would not be newer to the function.
    next_second = secret.created("AWSCURRENT") + timedelta(seconds=1)
    wait_until(lambda: datetime.now(UTC) >= next_second, "the next second")
    value, seen = Secret("of-the-operator"), token
    for _ in range(writes):
        write_version(secret.function.connection, secret.name, value, seen)
        seen = secret.version("AWSCURRENT")
    assert "AWSPENDING" in secret.stages()[token]
    for step in (Step.SET, Step.TEST, Step.FINISH):
        with pytest.raises(RotationRefused):
            secret.run(step, token)
    assert (secret.value(), secret.version("AWSCURRENT")) == (value, seen)
