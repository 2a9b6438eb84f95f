"""Each command loads and checks the declaration once, and all its parts work from that."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from local.ports import setting
from local.status_record import StatusRecord
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment
from vault.declare.declaration import Declaration
from vault.declare.repository import Repository

SERVICE = ("--service", "gaara-store")
DEV = ("--env", "dev")


@pytest.fixture(autouse=True)
def ports(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find the shared deployment by its folder and ports, as an operator's do."""
    for name, port in deployment.local.ports.by_name().items():
        monkeypatch.setenv(setting(name), str(port))
    monkeypatch.delenv("VAULT_ADDR", raising=False)


def count_loads(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, int]:
    """Run a command on the deployment; return its exit code, and how often it loaded."""
    loads: list[Path] = []
    load = Repository.load

    def count(repository: Repository) -> Declaration:
        loads.append(repository.root)
        return load(repository)

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "load", count)
        root = () if arguments == ("check",) else ("--root", str(deployment.layout.root))
        command, separator, program = " ".join(arguments).partition(" -- ")
        code = run_command(patch, *command.split(), *root, *(separator + program).split())
    return code, len(loads)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("plan", *DEV),
        ("apply", *DEV),
        ("ledger", *DEV),
        ("rotate", *DEV, "--status"),
        ("rotate", *DEV, "jwt-secret", "--dry-run"),
        ("policies", "test", *DEV, *SERVICE),
        ("audit", "report", *DEV),
        ("audit", "who", "jwt-secret", *DEV, *SERVICE),
        ("doctor", *DEV, *SERVICE),
        ("up",),
    ],
    ids=" ".join,
)
def test_command_loads_the_declaration_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    assert count_loads(deployment, monkeypatch, *arguments) == (0, 1)


def test_status_of_what_was_started_loads_no_declaration(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count_loads(deployment, monkeypatch, "status") == (0, 0)


def test_status_after_an_up_of_an_earlier_version_loads_the_declaration_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count_loads(deployment, monkeypatch, "status")
    shown = capsys.readouterr().out
    deployment.layout.status_record.unlink()
    try:
        assert count_loads(deployment, monkeypatch, "status") == (0, 1)
        assert capsys.readouterr().out == shown
    finally:
        StatusRecord(configs=deployment.local.started.record.configs).write(deployment.layout)


def test_put_loads_the_declaration_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("an-smtp-password"))
    command = ("put", "smtp-password", *DEV, *SERVICE)
    assert count_loads(deployment, monkeypatch, *command) == (0, 1)


def test_run_loads_the_declaration_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = f"jwt-secret={tmp_path / 'jwt'}"
    named = ("--name", "jwt-secret", "--file", place)
    command = ("run", *DEV, *SERVICE, *named, "--", "true")
    assert count_loads(deployment, monkeypatch, *command) == (0, 1)


def test_apply_of_a_saved_plan_loads_the_declaration_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = str(tmp_path / "plan.json")
    assert count_loads(deployment, monkeypatch, "plan", *DEV, "--out", file) == (0, 1)
    assert count_loads(deployment, monkeypatch, "apply", file) == (0, 1)
