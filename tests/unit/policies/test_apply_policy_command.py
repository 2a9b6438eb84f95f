"""Command ``environments apply-policy``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app_integration.names import Environment
from policies.render import scoped_apply_policy
from tests.support.processes.command import CommandLine, run_command
from vault.declare.repository import Repository, read

BASE = Path(__file__).parents[2] / "faults" / "declare" / "base"


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a repository, the working folder, in which the apply role of prod is a scoped one."""
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "strongroom.yaml").write_text("format: 1\n")
    prod = tmp_path / "environments" / "prod.yaml"
    prod.write_text(prod.read_text().replace("vault:\n", "vault:\n  apply_role: scoped\n", 1))
    monkeypatch.chdir(tmp_path)
    return read(tmp_path)


def test_policy_of_a_scoped_apply_role_is_printed_as_it_is_written(
    team: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "environments", "apply-policy", "prod") == 0
    assert capsys.readouterr().out == scoped_apply_policy(team.load(), Environment.PROD)


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize(
    ("name", "message"),
    [("dev", "dev does not declare 'apply_role: scoped'"), ("prd", "did you mean 'prod'?")],
)
def test_environment_without_a_scoped_role_is_rejected(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = CommandLine(monkeypatch, capsys)
    command.assert_rejected(1, message, "environments", "apply-policy", name)
