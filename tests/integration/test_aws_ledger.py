"""Ledger of an environment on AWS, on moto's server: the ages of its secrets, and the metric."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.names import Environment
from aws.reader import AwsReader
from aws.secret_ages import read_age
from console.commands.rotate import ledger
from console.target import environment_ledger
from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import ENVIRONMENT, MONITORING, declare_on_aws
from tests.support.models.aws_rotated import AWS, SERVICES, declare_rotated
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.moto_server import MotoServer, set_identity

NAME: Final = "shop/dev/password"
DEV: Final = ("ledger", "--env", "dev")


@pytest.fixture
def moto_with_secret(moto: MotoServer) -> Iterator[MotoServer]:
    moto.reset()
    moto.client("secretsmanager").create_secret(Name=NAME, SecretString="one")
    yield moto
    moto.reset()


@pytest.fixture
def command(
    tmp_path: Path,
    moto_with_secret: MotoServer,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> CommandLine:
    """Return the command line over a declaration whose dev is on AWS, and watched."""
    declare_on_aws(tmp_path)
    aws = {**ENVIRONMENT["aws"], "monitoring": MONITORING}
    services = {"shop": {"iam_roles": ["shop-task"]}}
    dev = {**ENVIRONMENT, "environment": "dev", "aws": aws, "services": services}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    set_identity(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_with_secret.url)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    return command_line


def set_clock(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let the command run *days* from now."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(ledger, "datetime", Later)


def published(moto: MotoServer) -> list[float]:
    """Return the values of the metric, in order."""
    end = datetime.now(UTC) + timedelta(days=365)
    found = moto.client("cloudwatch").get_metric_statistics(
        Namespace="strongroom/dev",
        MetricName="rotation-overdue",
        StartTime=end - timedelta(days=400),
        EndTime=end,
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(found["Datapoints"], key=lambda each: each["Timestamp"])
    return [each["Maximum"] for each in points]


def test_age_is_that_of_the_current_version(
    moto_with_secret: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_identity(monkeypatch)
    secrets = moto_with_secret.client("secretsmanager")
    connection = moto_with_secret.connection()
    first = read_age(AwsReader(connection), NAME)
    assert first.created is not None
    assert first.rotated is None
    secrets.put_secret_value(SecretId=NAME, SecretString="two")
    secrets.tag_resource(SecretId=NAME, Tags=[{"Key": "a", "Value": "b"}])
    second = read_age(AwsReader(connection), NAME)
    assert second.created is not None
    assert second.rotated == second.created >= first.created
    secrets.create_secret(Name="empty")
    assert read_age(AwsReader(connection), "empty").reason == "no version was written"
    secrets.delete_secret(SecretId="empty")
    assert read_age(AwsReader(connection), "empty").reason == "the secret is being deleted"
    assert read_age(AwsReader(connection), "absent").reason == "there is no such secret"
    connection.close()


def test_ledger_shows_each_secret_and_publishes_how_many_are_overdue(
    command: CommandLine, moto_with_secret: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(monkeypatch, *DEV, "--cloudwatch", "--json") == 0
    found = json.loads(command.capsys.readouterr().out)
    states = {row["name"]: row["state"] for row in found["rows"]}
    assert states == {"password": "ok", "smtp-password": "no value", "smtp-url": "no value"}
    assert published(moto_with_secret) == [0]
    set_clock(monkeypatch, 91)
    assert run_command(monkeypatch, *DEV, "--cloudwatch") == 2
    shown = command.capsys.readouterr().out
    assert "overdue" in shown
    assert "Reads are unknown: they are in CloudTrail." in shown
    assert published(moto_with_secret) == [0, 1]


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (64, ("--env", "dev", "--cloudwatch", "--service", "shop"), "leave out --service"),
        (1, ("--env", "dev", "--audit-log", "a.log"), "dev is on AWS, where reads are in"),
        (1, ("--env", "cloud", "--cloudwatch"), "cloud has no monitoring"),
    ],
)
def test_option_that_is_not_for_the_environment_is_refused_before_any_request(
    code: int, arguments: tuple[str, ...], message: str, command: CommandLine
) -> None:
    command.monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert run_command(command.monkeypatch, "ledger", *arguments) == code
    assert message in " ".join(command.capsys.readouterr().err.split())


def test_ledger_has_the_age_of_a_secret_of_others(
    tmp_path: Path, moto_with_secret: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_identity(monkeypatch)
    secrets = moto_with_secret.client("secretsmanager")
    arn = secrets.create_secret(Name="rds!db-1", SecretString="one")["ARN"]
    service = {"secrets": {"db": {"source": "given"}}}
    services = {"shop": {"secret_arns": {"db": arn}}}
    declaration = declare_on_aws(tmp_path, service=service, services=services)
    connection = moto_with_secret.connection()
    # The environment is strict, so that it would refuse moto's endpoint.
    monkeypatch.setattr(
        environment_ledger, "open_checked_connection", lambda *_: closing(connection)
    )
    rows = environment_ledger.read_aws_ledger(
        declaration, Environment("cloud"), None, datetime.now(UTC)
    )
    assert [(each.item.name, str(each.state)) for each in rows] == [("db", "ok")]


def test_ledger_has_a_secret_with_a_pair_of_users(
    command: CommandLine, tmp_path: Path, moto_with_secret: MotoServer
) -> None:
    declare_rotated(tmp_path)
    dev = {**ENVIRONMENT, "environment": "dev", "aws": AWS, "services": SERVICES}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    url = "shop/dev/database-url"
    moto_with_secret.client("secretsmanager").create_secret(Name=url, SecretString="one")
    assert run_command(command.monkeypatch, *DEV, "--json") == 0
    rows = {each["name"]: each for each in json.loads(command.capsys.readouterr().out)["rows"]}
    assert (rows["database-url"]["kind"], rows["database-url"]["state"]) == ("user-pair", "ok")
