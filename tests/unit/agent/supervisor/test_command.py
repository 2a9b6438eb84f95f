"""Tests of the supervisor's command line, without agents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.supervisor.unit_file import LOCK_FILE
from app_integration._internal.private_file import lock
from tests.support.processes.loaded_modules import loaded_by
from tests.support.processes.unit_files import write_unit

ROOT = Path(__file__).parents[4]


def supervise(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent.supervisor", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 64, "--config"),
        (["--agents", "/no", "--config", "/no"], 64, "not allowed with"),
        (["--config", "/no/such/file"], 1, "No such file"),
        (["--agents", "/no/such/folder"], 1, "No such file.*create the folder"),
    ],
)
def test_supervisor_reports_why_it_cannot_run(arguments: list[str], code: int, reason: str) -> None:
    run = supervise(*arguments)
    assert run.returncode == code
    assert re.search(reason, run.stderr)


def test_second_supervisor_of_a_folder_is_rejected(tmp_path: Path) -> None:
    with lock(tmp_path / LOCK_FILE):
        run = supervise("--agents", str(tmp_path))
    assert run.returncode == 1
    assert "another supervisor runs the units of" in run.stderr


def test_check_of_an_empty_folder_succeeds(tmp_path: Path) -> None:
    run = supervise("--check", str(tmp_path))
    assert (run.returncode, run.stdout) == (0, "")


def test_check_prints_one_line_for_each_unit_that_has_not_delivered(tmp_path: Path) -> None:
    write_unit(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.json").write_text("{")
    run = supervise("--check", str(tmp_path))
    assert run.returncode == 1
    first, second = run.stdout.splitlines()
    assert first == "a: the supervisor has not started it yet"
    assert second.startswith(f"b: {tmp_path}/b/run.json: Expecting")


def test_check_of_a_missing_folder_fails(tmp_path: Path) -> None:
    run = supervise("--check", str(tmp_path / "no"))
    assert run.returncode == 1
    assert "is not a folder" in run.stdout


def test_check_imports_neither_the_agent_nor_the_compiler() -> None:
    """A health check runs every few seconds, so it must not import what takes long."""
    slow = {"asyncio", "jinja2", "pydantic", "app_integration.session.session"}
    assert not slow & loaded_by("agent.supervisor.__main__")
