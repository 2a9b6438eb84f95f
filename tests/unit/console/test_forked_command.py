"""Forked commands of the tests do what ``python -m console`` does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.polling import wait_until
from tests.support.processes.forked_command import command

ROOT = Path(__file__).parents[3]


def run(program: list[str], folder: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["--help"], ""),
        (["bogus"], ""),
        (["plan"], ""),
        (["check"], ""),
        (["init", "repository", "--name", "crates"], ""),
        (["down", "--root", "nothing"], ""),
        (["reset", "--root", "deployment"], "n\n"),
    ],
)
def test_command_prints_and_returns_the_same(
    tmp_path: Path, arguments: list[str], typed: str
) -> None:
    results: list[tuple[int, str, str, list[str]]] = []
    for program in ([sys.executable, "-m", "console"], command()):
        folder = tmp_path / str(len(results)) / "work"
        (folder / "deployment").mkdir(parents=True)
        code, out, err = run(program, folder, *arguments, typed=typed)
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        results.append((code, out.replace(str(folder), ""), err.replace(str(folder), ""), files))
    assert results[0] == results[1]


def begin(tmp_path: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    """Start a command that waits for an answer, and return its client and its process."""
    (tmp_path / "deployment").mkdir()
    client = subprocess.Popen(
        [*command(), "reset", "--root", "deployment"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    assert client.stdout.read(5) == "Erase"
    found = [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(tmp_path)]
    (process,) = [each for each in found if each.pid != client.pid]
    return client, process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_command_ends_with_its_client(tmp_path: Path, number: int) -> None:
    client, process = begin(tmp_path)
    client.send_signal(number)
    assert client.wait(30) == -number
    wait_until(lambda: not process.is_running(), "the end of the command")
    client.communicate()
