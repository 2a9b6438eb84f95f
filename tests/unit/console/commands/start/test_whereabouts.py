"""Command ``strongroom`` alone: where you are, and the next command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from console.commands.start.whereabouts import LocalState, find_next, find_state
from console.scaffold.new_repository import NewRepository
from local.layout import Layout
from local.processes.program import Program, Record
from tests.support.processes.command import CommandLine, run_command

NEW = "strongroom import-env FILE --service NAME --create"
ALONE = "strongroom run -- COMMAND"
NAMED = "strongroom run --service shop -- COMMAND"


@pytest.mark.parametrize(
    ("services", "state", "command"),
    [
        ((), LocalState.NEVER_STARTED, NEW),
        ((), LocalState.STOPPED, NEW),
        ((), LocalState.RUNNING, NEW),
        (("shop",), LocalState.NEVER_STARTED, "strongroom up"),
        (("shop",), LocalState.STOPPED, "strongroom up"),
        (("shop",), LocalState.INCOMPLETE, "strongroom up"),
        (("shop",), LocalState.IN_CONTAINERS, "strongroom status"),
        (("shop",), LocalState.RUNNING, ALONE),
        (("shop", "tracking"), LocalState.RUNNING, NAMED),
    ],
)
def test_next_command_follows_from_services_and_state(
    services: tuple[str, ...], state: LocalState, command: str
) -> None:
    assert find_next(services, state).command == command


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process of its own group, as the parts of a deployment are."""
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("runtime", "ages", "state"),
    [
        ("embedded", (), LocalState.STOPPED),
        ("embedded", (100,), LocalState.STOPPED),
        ("embedded", (0, 100), LocalState.INCOMPLETE),
        ("embedded", (0,), LocalState.RUNNING),
        ("moto", (0,), LocalState.RUNNING),
        ("docker", (), LocalState.IN_CONTAINERS),
    ],
)
def test_state_is_that_of_the_recorded_processes(
    tmp_path: Path,
    child: subprocess.Popen[bytes],
    runtime: str,
    ages: tuple[int, ...],
    state: LocalState,
) -> None:
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    layout.runtime.write_text(f"{runtime}\n", encoding="utf-8")
    program = Program("part", ("/bin/sleep", "60"), tmp_path)
    now = Record.from_process(psutil.Process(child.pid), program)
    for age in ages:  # an older record with its pid is that of a part that has ended
        record = replace(now, created=now.created - age, after_boot=now.after_boot - age)
        path = layout.run / f"part-{age}.json"
        path.write_text(json.dumps(record.to_json()), encoding="utf-8")
    assert find_state(layout) is state


def test_deployment_without_a_folder_was_never_started(tmp_path: Path) -> None:
    assert find_state(Layout(tmp_path / ".strongroom")) is LocalState.NEVER_STARTED


def test_command_alone_in_a_repository_says_where_you_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    (tmp_path / "services" / "shop.yaml").write_text("damaged: [", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "services")
    assert run_command(monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Repository:        {tmp_path}",
        "Environments:      dev",
        "Services:          shop",
        "Local deployment:  never started",
        "",
        "Next:              strongroom up",
        "                   starts it, and applies what is declared",
        "All commands:      strongroom --help",
    ]


def test_command_alone_outside_a_repository_shows_the_first_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path} is in no repository of a deployment."
    assert "strongroom init FOLDER" in lines[3]
    assert lines[-1] == "All commands:      strongroom --help"
    assert len(lines) < 15


def test_command_alone_with_a_fault_in_the_repository_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strongroom.yaml").write_text("format: 99\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    CommandLine(monkeypatch, capsys).assert_rejected(1, "strongroom.yaml:1")


def test_command_alone_imports_no_client_of_a_server(tmp_path: Path) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    code = (
        "import sys; from console.cli import main; sys.argv = ['strongroom']\n"
        "try: main()\n"
        "except SystemExit: print({'requests', 'sqlalchemy', 'docker'} & sys.modules.keys())"
    )
    root = Path(__file__).parents[5]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"
