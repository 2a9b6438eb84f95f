"""Commands ``policies explain`` and ``policies test`` for an environment on AWS, without AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import ENVIRONMENT, SERVICE, declare_on_aws
from tests.support.processes.command import run_command

ARN = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:rds!db-12ab-AbCdEf"
HERE = ("--env", "cloud", "--service", "shop")
TESTS = """
tests:
  - {path: "{kv}/data/shop/{environment}/password", capability: read, expect: allow}
  - {path: "{transit}/decrypt/shop-{environment}-pii", capability: update, expect: allow}
  - {path: "{transit}/decrypt/shop-{environment}-audit", capability: update, expect: EXPECTED}
  - {path: "{kv}/data/shop/{environment}/password", capability: update, expect: deny}
  - {path: sys/mounts/transit, capability: update, expect: deny}
  - path: "{kv}/data/shop/{environment}/password"
    capability: delete
    expect: allow
    environments: [dev]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a declaration with ``cloud`` on AWS and ``dev`` on Vault."""
    declare_on_aws(tmp_path)
    on_vault = {
        **{name: value for name, value in ENVIRONMENT.items() if name != "aws"},
        "environment": "dev",
        "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
        "agent": {"render_interval": "5s"},
    }
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(on_vault))
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    monkeypatch.delenv("SECRETS_BACKEND", raising=False)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("question", "code", "line"),
    [
        (("--secret", "password"), 0, "allowed secretsmanager:GetSecretValue AWSCURRENT"),
        (("--secret", "password"), 0, "denied secretsmanager:GetSecretValue AWSPENDING"),
        (("--secret", "password"), 0, "denied secretsmanager:PutSecretValue"),
        (("--key", "audit"), 0, "denied kms:Decrypt"),
        (("--key", "audit", "--operation", "encrypt"), 0, "allowed kms:Encrypt WrapDataKeys"),
        (
            ("--key", "audit"),
            0,
            "allowed kms:Encrypt WrapDataKeys service=shop, environment=cloud",
        ),
        (("--key", "audit", "--operation", "decrypt"), 2, "denied kms:Decrypt"),
        (("--key", "pii", "--operation", "rewrap"), 0, "allowed kms:ReEncryptTo RewrapDataKeys"),
        ((), 0, "WrapDataKeys kms:Encrypt key/*"),
    ],
)
def test_explain_answers_and_exits_2_if_denied(
    question: tuple[str, ...],
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(monkeypatch, "policies", "explain", *HERE, *question) == code
    shown = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    assert any(text.startswith(line) for text in shown), shown


@pytest.mark.parametrize("name", ["reports/url", "shop/reports/url", "shop/password"])
def test_explain_finds_a_secret_whose_name_has_a_slash(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = {**SERVICE["secrets"], "reports/url": {"source": "given"}}
    (folder / "services/shop.yaml").write_text(json.dumps({**SERVICE, "secrets": secrets}))
    assert run_command(monkeypatch, "policies", "explain", *HERE, "--secret", name) == 0
    path = f"shop/cloud/{name.removeprefix('shop/')}"
    assert f"shop-cloud on {path}:" in capsys.readouterr().out


def test_explain_and_tests_ask_about_the_arn_of_a_secret_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = {**SERVICE, "secrets": {**SERVICE["secrets"], "db": {"source": "given"}}}
    declare_on_aws(tmp_path, service=service, services={"shop": {"secret_arns": {"db": ARN}}})
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    (tmp_path / "policies").mkdir()
    row = '{path: "{kv}/data/shop/{environment}/db", capability: read, expect: allow}'
    (tmp_path / "policies/shop.tests.yaml").write_text(f"tests:\n  - {row}\n")
    assert run_command(monkeypatch, "policies", "explain", *HERE, "--secret", "db") == 0
    assert f"shop-cloud on {ARN}:" in capsys.readouterr().out
    assert run_command(monkeypatch, "policies", "test", "--env", "cloud") == 0
    assert "shop-cloud: 1 of 1 rows hold" in capsys.readouterr().out


def test_explain_names_the_region_of_a_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replicas = {"eu-west-1": "alias/aws/secretsmanager"}
    declare_on_aws(tmp_path, aws={**ENVIRONMENT["aws"], "replicas": replicas})
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    run_command(monkeypatch, "policies", "explain", *HERE)
    shown = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    read = "ReadSecrets secretsmanager:GetSecretValue secret:shop/cloud/password-??????"
    assert [
        each.partition(" secretsmanager:VersionStage")[0] for each in shown if read in each
    ] == [
        read,
        f"{read} in eu-west-1",
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((*HERE, "--secret", "pasword"), 1, "did you mean 'password'?"),
        ((*HERE, "--secret", "shop/pasword"), 1, "did you mean 'password'?"),
        ((*HERE, "--secret", "/password"), 1, "service name '':"),
        ((*HERE, "--key", "other/pii"), 1, "no service in cloud 'other' is declared"),
        ((*HERE, "--secret", "password", "--key", "pii"), 64, "one of --secret and --key"),
        (
            (*HERE, "--key", "pii", "--operation", "sign"),
            64,
            "--operation is decrypt, encrypt or rewrap",
        ),
        (("--env", "dev", "--service", "shop"), 1, "strongroom policies test --env dev"),
    ],
)
def test_explain_of_what_is_not_declared_is_refused(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(monkeypatch, "policies", "explain", *arguments) == code
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("folder")
def test_explain_as_json_has_each_decision(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(monkeypatch, "policies", "explain", *HERE, "--secret", "password", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["policy"], found["name"]) == ("shop-cloud", "shop/cloud/password")
    assert found["decisions"][0] == {
        "action": "secretsmanager:GetSecretValue",
        "context": {"secretsmanager:VersionStage": "AWSCURRENT"},
        "granted": True,
        "statements": ["ReadSecrets"],
        "only_with": {},
    }


@pytest.mark.parametrize(("expected", "code"), [("deny", 0), ("allow", 2)])
def test_tests_of_vault_hold_on_aws_and_name_the_row_that_does_not(
    expected: str,
    code: int,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "policies").mkdir()
    (folder / "policies/shop.tests.yaml").write_text(TESTS.replace("EXPECTED", expected))
    assert run_command(monkeypatch, "policies", "test", "--env", "cloud") == code
    shown = capsys.readouterr().out
    held = 4 if expected == "deny" else 3
    assert f"shop-cloud: {held} of 4 rows hold; 1 are about a Vault server" in shown
    assert ("shop.tests.yaml:5: kms:Decrypt on " in shown) == (expected == "allow")
