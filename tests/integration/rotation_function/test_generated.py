"""Rotation of a generated secret by the function, on moto's server."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app_integration.secret import Secret
from aws.resources.secret_version import write_version
from aws.rotation.errors import RotationRefused
from aws.rotation.instructions import GeneratedInstructions
from aws.rotation.rotation import Outcome, Step
from tests.support.polling import wait_until
from tests.support.servers.rotation_site import Function, RotatedSecret
from tests.support.servers.secret_backends import AwsSite


@pytest.fixture
def secret(function: Function, aws_site: AwsSite) -> RotatedSecret:
    name = f"parcels-{secrets.token_hex(4)}/staging/jwt-secret"
    created = RotatedSecret(aws_site, function, name)
    created.create(Secret("first" * 10), str(GeneratedInstructions(48, "urlsafe")))
    return created


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
