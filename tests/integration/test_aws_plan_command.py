"""Commands plan and apply for an environment on AWS, on moto's server."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import ENVIRONMENT, declare_on_aws
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.moto_server import MotoServer, set_identity

VALUE: Final = "hunter2-and-more"
DEV: Final = ("--env", "dev")


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """Return the folder of a declaration, in which dev and ``cloud`` are on AWS."""
    declare_on_aws(tmp_path)
    dev = json.dumps({**ENVIRONMENT, "environment": "dev"})
    (tmp_path / "environments/dev.yaml").write_text(dev)
    return tmp_path


@pytest.fixture
def command(
    declared: Path,
    moto: MotoServer,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CommandLine]:
    moto.reset()
    set_identity(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    monkeypatch.setenv(DECLARATION, str(declared))
    yield command_line
    moto.reset()


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, str]:
    """Return the option with a folder of the provided value."""
    file = tmp_path / "given/secret/shop/dev/smtp-password"
    file.parent.mkdir(parents=True)
    file.write_text(VALUE)
    return "--given", str(tmp_path / "given")


def run(command: CommandLine, *arguments: str) -> tuple[int, str]:
    """Return the exit code and what was printed, in one line."""
    code = run_command(command.monkeypatch, *arguments)
    return code, " ".join(command.capsys.readouterr().out.split())


def test_plan_after_apply_has_no_changes(command: CommandLine, given: tuple[str, str]) -> None:
    code, shown = run(command, "plan", *DEV, *given)
    assert code == 2
    assert "+ kms-key shop-dev-pii" in shown
    assert VALUE not in shown
    code, shown = run(command, "apply", *DEV, *given)
    assert code == 0
    assert "done: create iam-policy shop-dev" in shown
    code, shown = run(command, "plan", *DEV)
    assert code == 0
    assert "! kms-key shop-dev-pii: rotation_period is not compared" in shown
    assert "Plan: 0 to create, 0 to change, 0 to delete, 9 unchanged" in shown


def test_saved_plan_is_applied_only_while_it_is_current(
    command: CommandLine, tmp_path: Path, moto: MotoServer
) -> None:
    file = str(tmp_path / "plan.json")
    assert run(command, "plan", *DEV, "--out", file)[0] == 2
    secrets = moto.client("secretsmanager")
    secrets.create_secret(Name="shop/dev/password")
    command.assert_rejected(1, "the server changed since this plan was made", "apply", file)
    secrets.delete_secret(SecretId="shop/dev/password", ForceDeleteWithoutRecovery=True)
    assert run(command, "apply", file)[0] == 0


def test_plan_that_widens_is_applied_only_with_the_option(
    command: CommandLine, given: tuple[str, str], tmp_path: Path, moto: MotoServer
) -> None:
    assert run(command, "apply", *DEV, *given)[0] == 0
    moto.client("kms").disable_key(
        KeyId=moto.client("kms").describe_key(KeyId="alias/shop-dev-pii")["KeyMetadata"]["KeyId"]
    )
    grants = "update kms-key shop-dev-pii: it grants more: use of the key, which is Disabled"
    file = str(tmp_path / "plan.json")
    code, shown = run(command, "plan", *DEV, "--out", file)
    assert code == 2
    assert f"! {grants}; if that is meant, plan it with --widen" in shown
    assert json.loads(Path(file).read_text())["widen"] is False
    command.assert_rejected(1, grants, "apply", file)
    command.assert_rejected(64, "pass either a saved plan alone", "apply", file, "--widen")
    code, shown = run(command, "plan", *DEV, "--widen", "--out", file)
    assert f"! {grants}" in shown
    assert "if that is meant" not in shown
    assert run(command, "apply", file)[0] == 0
    assert run(command, "plan", *DEV)[0] == 0


def put(command: CommandLine, value: str) -> tuple[int, str]:
    command.monkeypatch.setattr(sys, "stdin", io.StringIO(f"{value}\n"))
    code, shown = run(command, "put", "password", "--service", "shop", *DEV)
    first, _, restarts = shown.partition(" restart: ")
    assert restarts.startswith("a process that read it into settings")
    return code, first


def test_put_makes_a_version_the_current_one(
    command: CommandLine, given: tuple[str, str], moto: MotoServer
) -> None:
    assert run(command, "apply", *DEV, *given)[0] == 0
    assert put(command, VALUE) == (0, "password: a new version")
    secret = {"SecretId": "shop/dev/password", "VersionStage": "AWSCURRENT"}
    assert moto.client("secretsmanager").get_secret_value(**secret)["SecretString"] == VALUE
    assert run(command, "plan", *DEV)[0] == 0


def version_ids(secrets: Any) -> set[str]:
    found = secrets.list_secret_version_ids(SecretId="shop/dev/password")["Versions"]
    return {each["VersionId"] for each in found}


def test_put_of_a_secret_that_is_being_deleted_is_refused_until_apply_restores_it(
    command: CommandLine, given: tuple[str, str], moto: MotoServer
) -> None:
    assert run(command, "apply", *DEV, *given)[0] == 0
    secrets = moto.client("secretsmanager")
    secrets.delete_secret(SecretId="shop/dev/password", RecoveryWindowInDays=7)
    versions = version_ids(secrets)
    command.monkeypatch.setattr(sys, "stdin", io.StringIO(VALUE))
    message = "shop/dev/password is being deleted; restore it with strongroom apply --widen"
    command.assert_rejected(1, message, "put", "password", "--service", "shop", *DEV)
    assert version_ids(secrets) == versions
    assert run(command, "apply", *DEV, "--widen")[0] == 0
    assert put(command, VALUE) == (0, "password: a new version")


def test_put_of_a_secret_of_another_deployment_is_refused(
    command: CommandLine, moto: MotoServer
) -> None:
    tags = [{"Key": "managed_by", "Value": "strongroom"}, {"Key": "deployment", "Value": "theirs"}]
    moto.client("secretsmanager").create_secret(Name="shop/dev/password", Tags=tags)
    command.monkeypatch.setattr(sys, "stdin", io.StringIO(VALUE))
    message = "secret shop/dev/password belongs to the deployment 'theirs'"
    command.assert_rejected(1, message, "put", "password", "--service", "shop", *DEV)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", *DEV, "--prune"), "dev is on AWS, where nothing is pruned"),
        (("plan", "--env", "cloud"), "address without TLS, which is for development only"),
        (
            ("audit", "devices", "--env", "cloud", "--audit-log", "audit.log"),
            "cloud is on AWS, and this command is for environments on Vault",
        ),
        (
            ("ci-env", "--service", "shop", "--env", "cloud", "--", "true"),
            "cloud is on AWS, and this command is for environments on Vault; use one",
        ),
        (
            ("export-env", "--service", "shop", "--env", "cloud", "--reason", "a rollback"),
            "cloud is on AWS, and this command is for environments on Vault; use one",
        ),
        (
            ("environments", "diff", "cloud", "dev"),
            "cloud is on AWS, and this command is for environments on Vault; use one",
        ),
        (
            ("encrypt-file", __file__, "--service", "shop", "--env", "cloud"),
            "cloud is on AWS, and this shell has no variables of shop-cloud there; set SECRETS_",
        ),
        (
            ("audit", "devices", *DEV),
            "dev is on AWS, as its file says, and this command is for dev on Vault",
        ),
        (("put", "other", "--service", "shop", *DEV), "shop-dev has no secret 'other'"),
        (("put", "password", "--service", "shop", *DEV), "shop/dev/password does not exist; apply"),
    ],
)
def test_command_that_is_not_for_the_environment_says_so(
    arguments: tuple[str, ...], message: str, command: CommandLine
) -> None:
    command.monkeypatch.setattr(sys, "stdin", io.StringIO("a value"))
    assert run_command(command.monkeypatch, *arguments) == 1
    assert message in " ".join(command.capsys.readouterr().err.split())


def test_plan_without_boto3_says_what_to_install(command: CommandLine) -> None:
    command.monkeypatch.setitem(sys.modules, "app_integration.aws.connection", None)
    assert run_command(command.monkeypatch, "plan", *DEV) == 1
    assert "install strongroom[aws]" in " ".join(command.capsys.readouterr().err.split())
