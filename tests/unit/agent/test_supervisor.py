"""Tests of the supervisor's command line, without agents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.supervisor import LOCK_FILE
from app_integration._internal.private_file import lock

ROOT = Path(__file__).parents[3]


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
