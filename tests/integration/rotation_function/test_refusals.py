"""What the rotation function refuses, and what a failed request or database leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app_integration.aws.request import AwsRequest
from app_integration.errors import AccessDenied, ServerFault
from app_integration.secret import Secret
from aws.rotation.database import DatabaseFailed
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.errors import RotationRefused
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Outcome, Step
from local.servers.accounts import DatabaseAccounts
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.rotation_site import (
    MIN_AGE,
    USERS,
    RotatedSecret,
    url_of,
    watched,
)

pytestmark = pytest.mark.requires("embedded")


@pytest.mark.parametrize(
    ("done", "early", "named"),
    [
        ([], Step.SET, "no value yet"),
        ([], Step.TEST, "no value yet"),
        ([], Step.FINISH, "no value yet"),
        ([Step.CREATE], Step.TEST, "run setSecret first"),
        ([Step.CREATE], Step.FINISH, "run setSecret first"),
    ],
)
def test_step_that_comes_too_early_promotes_nothing(
    secret: RotatedSecret, done: list[Step], early: Step, named: str
) -> None:
    with watched(secret):
        before, token = secret.version("AWSCURRENT"), secret.begin()
        for step in done:
            secret.run(step, token)
        with pytest.raises(RotationRefused, match=named):
            secret.run(early, token)
        assert secret.version("AWSCURRENT") == before
        secret.run_all(token)
        assert secret.version("AWSCURRENT") == token


@pytest.mark.parametrize("step", [*Step])
def test_token_of_an_older_rotation_is_refused(secret: RotatedSecret, step: Step) -> None:
    old = secret.begin()
    secret.run_all(old)
    secret.rotate()
    with watched(secret), pytest.raises(RotationRefused, match="not the pending version"):
        secret.run(step, old)


def test_value_that_another_writer_wrote_meanwhile_stays(secret: RotatedSecret) -> None:
    token = secret.begin()
    for step in (Step.CREATE, Step.SET, Step.TEST):
        secret.run(step, token)
    written = str(
        secret.site.operator.put_secret_value(
            SecretId=secret.name, SecretString=secret.value().reveal(), VersionStages=["OTHER"]
        )["VersionId"]
    )

    def call(request: AwsRequest) -> object:
        if request.operation == "UpdateSecretVersionStage":
            secret.site.operator.update_secret_version_stage(
                SecretId=secret.name,
                VersionStage="AWSCURRENT",
                MoveToVersionId=written,
                RemoveFromVersionId=secret.version("AWSCURRENT"),
            )
        return secret.function.connection.call(request)

    with pytest.raises(RotationRefused, match="written by another client"):
        secret.run(Step.FINISH, token, call)  # type: ignore[arg-type] # as above
    assert secret.version("AWSCURRENT") == written


def test_rotation_while_the_version_before_may_be_cached_is_refused(
    secret: RotatedSecret,
) -> None:
    secret.rotate()
    token = secret.begin()
    # moto's clock made the current version, and the clock of the test is days ahead.
    secret.now = datetime.now(UTC) + timedelta(seconds=MIN_AGE - 60)
    with pytest.raises(RotationRefused, match="may be in use until"):
        secret.run(Step.CREATE, token)
    secret.now += timedelta(seconds=120)
    secret.run_all(token)
    assert secret.version("AWSCURRENT") == token


def test_first_rotation_may_begin_at_once(secret: RotatedSecret) -> None:
    token = secret.begin()
    secret.now = datetime.now(UTC)
    secret.run_all(token)
    assert secret.version("AWSCURRENT") == token


def test_configuration_test_of_secrets_manager_passes(secret: RotatedSecret) -> None:
    """Test a pending version with the current value, which AWS makes when it is configured."""
    token = "config-test-" + "0" * 24
    secret.site.operator.rotate_secret(
        SecretId=secret.name,
        ClientRequestToken=token,
        RotationLambdaARN=secret.function.arn,
        RotationRules={"AutomaticallyAfterDays": 30},
        RotateImmediately=False,
    )
    assert secret.run(Step.TEST, token) is Outcome.DONE
    with pytest.raises(RotationRefused, match="not of the user"):
        secret.run(Step.FINISH, token)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"host": "127.0.0.2"}, "another server"),
        ({"user": "postgres"}, "not of the user"),
        ({"user": USERS[0]}, "not of the user"),
    ],
)
def test_pending_url_that_somebody_changed_gets_no_password(
    secret: RotatedSecret, change: dict[str, str], named: str
) -> None:
    token = secret.begin()
    secret.run(Step.CREATE, token)
    url = DatabaseUrl.parse(secret.value("AWSPENDING"), "url")
    text = url.with_login(change.get("user", url.username), Secret("x")).render().reveal()
    secret.site.operator.put_secret_value(
        SecretId=secret.name,
        ClientRequestToken=token,
        SecretString=text.replace("@127.0.0.1", f"@{change.get('host', '127.0.0.1')}"),
        VersionStages=["AWSPENDING"],
    )
    with watched(secret):
        for step in (Step.SET, Step.FINISH):
            with pytest.raises(RotationRefused, match=named):
                secret.run(step, token)


def test_manager_of_another_database_is_refused(
    secret: RotatedSecret, accounts: DatabaseAccounts
) -> None:
    other = url_of(accounts, "manager", "x").reveal().replace("127.0.0.1", "127.0.0.2")
    secret.site.operator.put_secret_value(SecretId=manager_secret(secret.name), SecretString=other)
    token = secret.begin()
    secret.run(Step.CREATE, token)
    with pytest.raises(RotationRefused, match=r"the manager's URL is of 127\.0\.0\.2"):
        secret.run(Step.SET, token)


def test_current_url_that_the_database_rejects_is_not_rotated(
    secret: RotatedSecret, accounts: DatabaseAccounts
) -> None:
    accounts.set_password(USERS[0], Secret("changed by hand"))
    token = secret.begin()
    secret.run(Step.CREATE, token)
    with pytest.raises(RotationRefused, match="rejects the current URL"):
        secret.run(Step.SET, token)


def test_user_that_acts_as_another_role_is_not_promoted(
    secret: RotatedSecret, accounts: DatabaseAccounts
) -> None:
    with accounts.superuser.connect() as superuser:
        superuser.execute(f"ALTER ROLE {USERS[1]} RESET role")
    token = secret.begin()
    for step in (Step.CREATE, Step.SET):
        secret.run(step, token)
    for step in (Step.TEST, Step.FINISH):
        with pytest.raises(RotationRefused, match='SET role TO "parcels_owner"'):
            secret.run(step, token)
    with accounts.superuser.connect() as superuser:
        superuser.execute(f"ALTER ROLE {USERS[1]} SET role TO parcels_owner")
    assert secret.run(Step.FINISH, token) is Outcome.DONE


def test_unavailable_database_fails_the_step_and_shows_no_password(
    secret: RotatedSecret,
) -> None:
    url = DatabaseUrl.parse(secret.value(), "url")
    closed = secret.value().reveal().replace(f":{url.port}/", ":1/")
    secret.site.operator.put_secret_value(SecretId=secret.name, SecretString=closed)
    token = secret.begin()
    secret.run(Step.CREATE, token)
    password = DatabaseUrl.parse(secret.value("AWSPENDING"), "url").password.reveal()
    with pytest.raises(DatabaseFailed, match=r"127\.0\.0\.1, as parcels_app_b") as raised:
        secret.run(Step.SET, token)
    assert password not in str(raised.value)


def test_value_whose_response_is_lost_is_not_written_again(secret: RotatedSecret) -> None:
    token, call = secret.begin(), secret.site.connection.call
    secret.site.proxy.faults["PutSecretValue"] = [faults.late(faults.failing())]
    with pytest.raises(ServerFault):
        secret.run(Step.CREATE, token, call)
    pending = secret.value("AWSPENDING")
    secret.site.proxy.forget()
    assert secret.run(Step.CREATE, token, call) is Outcome.ALREADY_DONE
    assert secret.value("AWSPENDING") == pending


def test_promotion_whose_response_is_lost_is_recognised(secret: RotatedSecret) -> None:
    token, call = secret.begin(), secret.site.connection.call
    for step in (Step.CREATE, Step.SET, Step.TEST):
        secret.run(step, token)
    secret.site.proxy.faults["UpdateSecretVersionStage"] = [
        faults.late(faults.refused("InvalidParameterException"))
    ]
    assert secret.run(Step.FINISH, token, call) is Outcome.DONE
    assert secret.version("AWSCURRENT") == token


def test_denied_request_names_the_action_and_changes_nothing(secret: RotatedSecret) -> None:
    token, call = secret.begin(), secret.site.connection.call
    action = "secretsmanager:PutSecretValue"
    secret.site.proxy.faults["PutSecretValue"] = [faults.denied(action, "arn:aws:x")]
    with pytest.raises(AccessDenied, match=action):
        secret.run(Step.CREATE, token, call)
    secret.site.proxy.forget()
    secret.run_all(token)
