"""Commands ``plan`` and ``apply`` on the local deployment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import forked_command
from tests.support.processes.command import CommandLine
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[2]
POLICY = "sys/policies/acl/gaara-store-dev"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def strongroom(deployment: Deployment, port_variables: dict[str, str]) -> Run:
    environment = {"PATH": os.environ["PATH"], **port_variables}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        root = ("--root", str(deployment.layout.root))
        command = [*forked_command.command(), *arguments, *root]
        return subprocess.run(
            command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False
        )

    return run


@pytest.fixture
def drifted(deployment: Deployment) -> None:
    deployment.operator.post("auth/approle/role/gaara-store-dev", {"token_num_uses": 5})


@pytest.mark.usefixtures("drifted")
def test_plan_is_printed_saved_rejected_when_outdated_and_applied(
    strongroom: Run, deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    planned = strongroom("plan", "--env", "dev", "--out", str(file))
    assert (planned.returncode, planned.stderr) == (2, "")
    assert "~ approle gaara-store-dev\n    token_num_uses: 5 → 0\n" in planned.stdout
    assert "0 to create, 1 to change, 0 to delete" in planned.stdout

    policy = deployment.operator.get(POLICY)["data"]["policy"]
    deployment.operator.post(POLICY, {"policy": f"# touched\n{policy}"})
    rejected = strongroom("apply", str(file))
    assert rejected.returncode == 1
    assert "the server changed since this plan was made" in rejected.stderr
    role = deployment.operator.get("auth/approle/role/gaara-store-dev")["data"]
    assert role["token_num_uses"] == 5

    assert strongroom("plan", "--env", "dev", "--out", str(file)).returncode == 2
    applied = strongroom("apply", str(file))
    assert (applied.returncode, applied.stderr) == (0, "")
    assert "done: update approle gaara-store-dev" in applied.stdout
    assert strongroom("plan", "--env", "dev").returncode == 0
    assert strongroom("apply", str(file)).returncode == 1


@pytest.mark.usefixtures("drifted")
def test_plan_as_json_contains_no_secret(strongroom: Run, deployment: Deployment) -> None:
    planned = strongroom("plan", "--env", "dev", "--json")
    assert planned.returncode == 2
    document = json.loads(planned.stdout)
    assert document["summary"]["update"] == 1
    assert document["changes"] == [
        {
            "action": "update",
            "kind": "approle",
            "name": "gaara-store-dev",
            "fields": [{"field": "token_num_uses", "before": 5, "after": 0}],
        }
    ]
    for secret in deployment.local.service("gaara-store").access.provided_secrets().values():
        assert secret.reveal() not in planned.stdout
    assert strongroom("apply", "--env", "dev").returncode == 0
    assert json.loads(strongroom("plan", "--env", "dev", "--json").stdout)["changes"] == []


@pytest.mark.usefixtures("port_variables")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("apply",), 64, "pass either a saved plan alone, or --env"),
        (("apply", "missing.json"), 1, "missing.json cannot be read"),
        (("apply", "pyproject.toml"), 1, "is not a plan; make one"),
        (("plan", "--env", "dev", "--destroy-data", "x"), 1, "--destroy-data requires --prune"),
        (
            ("plan", "--env", "dev", "--prune", "--destroy-data", "x"),
            1,
            "no managed data of that name",
        ),
        (("plan", "--env", "dev", "--out", "no/such/folder/plan.json"), 1, "cannot be written"),
        (("plan", "--env", "nowhere"), 1, "no environment"),
        (("rotate",), 64, "--env"),
    ],
)
def test_wrong_command_is_an_error_with_its_reason(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(ROOT)
    root = ("--root", str(deployment.layout.root))
    CommandLine(monkeypatch, capsys).assert_rejected(code, words, *arguments, *root)


def test_service_alone_is_planned_saved_and_applied(
    strongroom: Run, deployment: Deployment, tmp_path: Path
) -> None:
    roles = [f"auth/approle/role/{name}-dev" for name in ("gaara-store", "orders-mail")]

    def uses() -> list[int]:
        return [deployment.operator.get(role)["data"]["token_num_uses"] for role in roles]

    for role in roles:
        deployment.operator.post(role, {"token_num_uses": 5})
    file = str(tmp_path / "plan.json")
    for command in (("plan", "--out", file), ("apply",)):
        done = strongroom(*command, "--env", "dev", "--service", "orders-mail")
        assert "~ approle orders-mail-dev" in done.stdout
        assert "gaara-store" not in done.stdout
    assert uses() == [5, 0]
    deployment.operator.post(roles[1], {"token_num_uses": 5})
    assert strongroom("apply", file).returncode == 0
    assert uses() == [5, 0]
    assert strongroom("plan", "--env", "dev", "--service", "orders-mail").returncode == 0
    assert strongroom("apply", "--env", "dev").returncode == 0
    assert uses() == [0, 0]
    for options, error in (
        (("--service", "orders-mial"), "orders-mail"),
        (("--service", "orders-mail", "--prune"), "looks for orphans of all services"),
    ):
        refused = strongroom("plan", "--env", "dev", *options)
        assert error in " ".join(refused.stderr.split())
