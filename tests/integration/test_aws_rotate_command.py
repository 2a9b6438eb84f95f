"""Command ``rotate`` for an environment on AWS, on moto's server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import ENVIRONMENT, declare_on_aws
from tests.support.models.aws_rotated import AWS, declare_rotated
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.moto_server import MotoServer, set_identity
from tests.support.servers.rotation_site import create_function

PASSWORD = "shop/dev/password"
DEV = ("--env", "dev")


@pytest.fixture
def command(
    tmp_path: Path,
    moto: MotoServer,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> CommandLine:
    """Return the command, with dev on AWS."""
    set_identity(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    declare_rotated(tmp_path)
    dev = {**ENVIRONMENT, "environment": "dev", "aws": AWS}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    return command_line


@pytest.fixture
def applied(command: CommandLine, moto: MotoServer) -> Iterator[CommandLine]:
    """Return the command, after dev was applied."""
    moto.reset()
    create_function(moto)
    assert run(command, "apply", *DEV)[0] == 0
    yield command
    moto.reset()


def run(command: CommandLine, *arguments: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines that were printed."""
    code = run_command(command.monkeypatch, *arguments)
    printed = command.capsys.readouterr()
    return code, [" ".join(line.split()) for line in (printed.out + printed.err).splitlines()]


def stages(moto: MotoServer) -> dict[str, Any]:
    client = moto.client("secretsmanager")
    found = client.describe_secret(SecretId=PASSWORD)["VersionIdsToStages"]
    return {label: version for version, labels in found.items() for label in labels}


def test_status_shows_each_secret_that_the_function_rotates(applied: CommandLine) -> None:
    code, lines = run(applied, "rotate", *DEV, "--status")
    assert code == 0
    assert lines[0] == "service name state since due old new old read"
    assert [line.split()[:2] for line in lines[1:]] == [["shop", "password"]]


def test_rotation_that_is_begun_is_under_way(applied: CommandLine, moto: MotoServer) -> None:
    assert run(applied, "rotate", "password", "--kind", "secret", *DEV) == (
        0,
        ["password: begun. See how it ends with --status."],
    )
    found = stages(moto)
    assert found["AWSPENDING"] != found["AWSCURRENT"]
    _, lines = run(applied, "rotate", *DEV, "--status")
    assert "under way" in lines[1]
    assert f"{found['AWSCURRENT'][:8]} {found['AWSPENDING'][:8]}" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("smtp-password",), 1, "rotates no secret 'smtp-password' (expected password)"),
        (("password", "--service", "other"), 1, "no service in dev 'other' is declared"),
        (("--status", "--service", "other"), 1, "no service in dev 'other' is declared"),
        (("password", "--compromised"), 64, "on AWS, a function rotates"),
        (("--due",), 64, "on AWS, a function rotates"),
        (("password", "--kind", "key"), 64, "leave out --kind"),
        (("password", "--audit-log", "a.log"), 64, "leave out --audit-log"),
        (("password", "--store", "store"), 64, "leave out --store"),
        (("password", "--prometheus", "http://127.0.0.1:1"), 64, "leave out --prometheus"),
        (("password", "--out", "folder"), 64, "leave out --out"),
        (("password", "--host", "web-1"), 64, "leave out --host"),
        (("password", "--wrap-ttl", "1h"), 64, "leave out --wrap-ttl"),
    ],
)
def test_what_aws_does_not_offer_is_refused(
    command: CommandLine, arguments: tuple[str, ...], code: int, named: str
) -> None:
    found, lines = run(command, "rotate", *arguments, *DEV)
    assert found == code
    assert named in " ".join(lines)


@pytest.mark.parametrize("arguments", [("password",), ("--status",)])
def test_identity_of_another_account_rotates_nothing(
    command: CommandLine, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    other = {**AWS, "account": "210987654321"}
    dev = {**ENVIRONMENT, "environment": "dev", "aws": other}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    code, lines = run(command, "rotate", *arguments, *DEV)
    assert code == 1
    assert "use an identity of that account. Nothing was read or changed" in " ".join(lines)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--status",), "add rotation_function to 'aws'"),
        (("password", "--service", "shop"), "strongroom put password --service shop --env dev"),
    ],
)
def test_environment_without_a_function_says_what_to_do(
    command: CommandLine, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    declare_on_aws(tmp_path)
    dev = {**ENVIRONMENT, "environment": "dev"}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    code, lines = run(command, "rotate", *DEV, *arguments)
    assert code == 1
    assert named in " ".join(lines)


@pytest.mark.parametrize("arguments", [("password",), ("--status",)])
def test_rotate_without_boto3_says_what_to_install(
    command: CommandLine, arguments: tuple[str, ...]
) -> None:
    for name in ("app_integration.aws.connection", "aws.reader", "aws.resources.rotation"):
        command.monkeypatch.setitem(sys.modules, name, None)
    code, lines = run(command, "rotate", *arguments, *DEV)
    assert code == 1
    assert "install strongroom[aws]" in " ".join(lines)
