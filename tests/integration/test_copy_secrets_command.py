"""Command copy-secrets, on the local deployment and moto's server."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.names import Environment, Scope
from console.target.checkout import DECLARATION
from console.target.target import Target
from tests.support.models.aws_declared import ACCOUNT, ENVIRONMENT, SERVICE
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.deployment import Deployment
from tests.support.servers.moto_server import REGION, MotoServer, set_identity

pytestmark = pytest.mark.requires("embedded")

SCOPE: Final = Scope("shop", Environment.DEV)
VALUE: Final = "hunter2-and-more"
URL: Final = f"smtp://shop:{VALUE}@mail"
VALUES: Final = {"password": "k3y-of-tokens", "smtp-password": VALUE, "smtp-url": URL}
TO_AWS: Final = ("copy-secrets", "--env", "dev", "--from", "vault", "--to", "aws")
TO_VAULT: Final = ("copy-secrets", "--env", "dev", "--from", "aws", "--to", "vault")
PLACE: Final = f"account {ACCOUNT.id} in {REGION}"
ON_VAULT: Final = {
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5m"},
}


def declare_dev(folder: Path, **sections: Any) -> None:
    """Declare the service ``shop`` in dev, with *sections* about Vault or AWS."""
    dev = {"environment": "dev", "owner": "platform-team", "services": {"shop": {}}, **sections}
    (folder / "services/shop.yaml").write_text(json.dumps({**SERVICE, "keys": {}}))
    (folder / "environments/dev.yaml").write_text(json.dumps(dev))


@pytest.fixture
def command(
    deployment: Deployment,
    moto: MotoServer,
    command_line: CommandLine,
    tmp_path: Path,
) -> Iterator[CommandLine]:
    """Return the command for an environment on Vault, whose secrets have values."""
    moto.reset()
    patch = command_line.monkeypatch
    for name in ("services", "environments"):
        (tmp_path / name).mkdir()
    declare_dev(tmp_path, **ON_VAULT)
    set_identity(patch)
    patch.setenv("AWS_ENDPOINT_URL", moto.url)
    patch.delenv("VAULT_ADDR", raising=False)
    patch.setenv(DECLARATION, str(tmp_path))
    patch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    for name, value in VALUES.items():
        deployment.operator.post(f"secret/data/{SCOPE.secret(name)}", {"data": {"value": value}})
    yield command_line
    for name in VALUES:
        deployment.operator.delete(f"secret/metadata/{SCOPE.secret(name)}")
    moto.reset()


def run(command: CommandLine, *arguments: str) -> tuple[int, str]:
    """Return the exit code and all that was printed."""
    code = run_command(command.monkeypatch, *arguments)
    printed = command.capsys.readouterr()
    shown = printed.out + " ".join(printed.err.split())
    assert VALUE not in shown
    return code, shown


def declare_on_aws(command: CommandLine, folder: Path, deployment: Deployment) -> None:
    """Have the file of the environment name AWS, and variables the Vault server."""
    declare_dev(folder, aws=ENVIRONMENT["aws"])
    credential = deployment.layout.root / "credentials/strongroom-apply"
    command.monkeypatch.setenv("VAULT_ADDR", deployment.settings.vault_addr)
    for variable, name in (("ROLE_ID", "role-id"), ("SECRET_ID", "secret-id")):
        command.monkeypatch.setenv(f"STRONGROOM_OPERATOR_{variable}_FILE", str(credential / name))


def test_environment_moves_to_aws_and_back(
    command: CommandLine, deployment: Deployment, tmp_path: Path, moto: MotoServer
) -> None:
    code, shown = run(command, *TO_AWS, "--dry-run")
    assert (code, shown.splitlines()) == (
        2,
        [
            f"dev, vault ({deployment.settings.vault_addr}) to aws ({PLACE})",
            *(f"{SCOPE.secret(name)}: missing on aws" for name in VALUES),
            "0 of 3 secrets equal, 3 to write",
        ],
    )
    code, shown = run(command, *TO_AWS)
    assert code == 0
    assert shown.splitlines()[-1] == "3 of 3 secrets equal, 3 of them written now"
    declare_on_aws(command, tmp_path, deployment)
    code, shown = run(command, "plan", "--env", "dev")
    assert "Plan: 1 to create, 0 to change, 0 to delete, 6 unchanged" in shown
    assert run(command, *TO_AWS, "--dry-run")[0] == 0
    secrets = moto.client("secretsmanager")
    secrets.put_secret_value(SecretId=SCOPE.secret("password"), SecretString="newer")
    code, shown = run(command, *TO_VAULT, "--replace", "--yes", "--service", "shop")
    assert code == 0
    assert f"{SCOPE.secret('password')}: replaced" in shown.splitlines()
    found = deployment.operator.get(f"secret/data/{SCOPE.secret('password')}")["data"]
    assert (found["data"], found["metadata"]["version"]) == ({"value": "newer"}, 2)


def test_other_value_is_refused_and_replaced_after_asking(
    command: CommandLine, moto: MotoServer
) -> None:
    secrets = moto.client("secretsmanager")
    secrets.create_secret(Name=SCOPE.secret("password"), SecretString="theirs")
    code, shown = run(command, *TO_AWS)
    assert code == 1
    assert f"{SCOPE.secret('password')}: different on aws; --replace replaces it" in shown
    assert "1 of 3 secrets cannot be copied, and nothing was written; mend" in shown
    command.monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, shown = run(command, *TO_AWS, "--replace")
    assert code == 1
    assert "aws has another value for 1 of 3 secrets. Replace it?" in shown
    assert [each["Name"] for each in secrets.list_secrets()["SecretList"]] == [
        SCOPE.secret("password")
    ]
    command.monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(command, *TO_AWS, "--replace")[0] == 0
    value = secrets.get_secret_value(SecretId=SCOPE.secret("password"), VersionStage="AWSCURRENT")
    assert value["SecretString"] == VALUES["password"]


def test_report_for_programs_has_each_secret(
    command: CommandLine, moto: MotoServer, deployment: Deployment
) -> None:
    moto.client("secretsmanager").create_secret(
        Name=SCOPE.secret("password"), SecretString=VALUES["password"]
    )
    code = run_command(command.monkeypatch, *TO_AWS, "--json")
    document = json.loads(command.capsys.readouterr().out)
    assert code == 0
    assert document == {
        "environment": "dev",
        "from": "vault",
        "to": "aws",
        "places": {"aws": PLACE, "vault": deployment.settings.vault_addr},
        "equal": 3,
        "secrets": [
            {"name": SCOPE.secret("password"), "state": "equal", "reason": ""},
            {"name": SCOPE.secret("smtp-password"), "state": "copied", "reason": ""},
            {"name": SCOPE.secret("smtp-url"), "state": "copied", "reason": ""},
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--from", "aws", "--to", "aws"), 64, "--from and --to are vault and aws"),
        (("--from", "vault", "--to", "gcp"), 64, "--from and --to are vault and aws"),
        (("--from", "vault", "--to", "aws", "--service", "x"), 1, "no service in dev 'x'"),
    ],
)
def test_wrong_use_is_refused_before_any_request(
    arguments: tuple[str, ...], code: int, message: str, command: CommandLine
) -> None:
    command.monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    found, shown = run(command, "copy-secrets", "--env", "dev", *arguments)
    assert found == code
    assert message in shown


def test_account_that_is_not_the_declared_one_is_refused(
    command: CommandLine, deployment: Deployment, tmp_path: Path
) -> None:
    declare_on_aws(command, tmp_path, deployment)
    declare_dev(tmp_path, aws={"account": "210987654321", "region": REGION})
    code, shown = run(command, *TO_AWS)
    assert code == 1
    assert "the AWS identity belongs to the account" in shown


def test_environment_on_vault_without_a_region_says_what_to_set(command: CommandLine) -> None:
    command.monkeypatch.delenv("AWS_REGION")
    code, shown = run(command, *TO_AWS)
    assert code == 1
    assert "AWS_REGION is not set; name the region" in shown


def test_tool_without_boto3_says_what_to_install(command: CommandLine) -> None:
    command.monkeypatch.setitem(sys.modules, "app_integration.aws.connection", None)
    code, shown = run(command, *TO_AWS)
    assert code == 1
    assert "install strongroom[aws]" in shown


def test_environment_on_aws_without_the_variables_of_vault_says_what_to_set(
    command: CommandLine, deployment: Deployment, tmp_path: Path
) -> None:
    declare_on_aws(command, tmp_path, deployment)
    command.monkeypatch.delenv("VAULT_ADDR")
    assert "no address is declared for dev; set VAULT_ADDR" in run(command, *TO_AWS)[1]
    command.monkeypatch.delenv("STRONGROOM_OPERATOR_ROLE_ID_FILE")
    code, shown = run(command, *TO_AWS)
    assert code == 1
    assert "no credential of strongroom-apply is configured" in shown
    assert "unset VAULT_ADDR" not in shown
