"""The second run of failed tests: a chance passes it, a fault does not, and many are not run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.second_run import MOST, main

ROOT: Final = Path(__file__).parents[3]
#: Fails at its first run in a folder, and passes later.
CHANCE: Final = """
from pathlib import Path

def test_chance():
    first = Path(__file__).with_suffix(".chance")
    was_run = first.exists()
    first.touch()
    assert was_run

def test_other(): pass
"""
FAULT: Final = "def test_fault(): assert False\n"
#: Without the plugins of the project, which take longer to load than these tests to run.
ENVIRON: Final = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run_twice(folder: Path, source: str) -> tuple[int, subprocess.CompletedProcess[str]]:
    """Run the tests of *source* in processes of pytest-xdist, then the second run."""
    (folder / "pytest.ini").touch()
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    pytest_command = ["pytest", "-p", "xdist", "-n", "2", "-o", "cache_dir=cache"]
    first, second = (
        subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=ENVIRON,
            check=False,
            capture_output=True,
            text=True,
        )
        for command in (pytest_command, ["tests.support.second_run", "cache"])
    )
    return first.returncode, second


def test_failure_by_chance_passes_and_is_named(tmp_path: Path) -> None:
    first, second = run_twice(tmp_path, CHANCE)
    assert (first, second.returncode) == (1, 0)
    assert "  test_it.py::test_chance\n" in second.stdout
    assert "1 passed" in second.stdout


def test_fault_fails_again(tmp_path: Path) -> None:
    first, second = run_twice(tmp_path, CHANCE + FAULT)
    assert (first, second.returncode) == (1, 1)
    assert "1 failed, 1 passed" in second.stdout


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_none_and_many_are_not_run(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "v/cache/lastfailed"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({f"test_it.py::test_{number}": True for number in range(count)}))
    assert (main(tmp_path), capsys.readouterr().out) == (1, "")
