from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from app_integration.errors import ConfigurationError
from local.layout import Layout
from local.processes.processes import ProcessManager
from local.processes.program import Program, Record
from local.runtime_interface import StartFailed

SLEEPER = "exec sleep 1000"
#: Prints a line once the trap is set, so that a test sends no signal before.
DEAF = 'trap "" TERM; echo deaf; while :; do sleep 1000; done'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    return layout


@pytest.fixture
def processes(layout: Layout) -> Iterator[ProcessManager]:
    processes = ProcessManager(layout)
    yield processes
    for name in processes.names():
        processes.stop(name, timeout=0)


def shell(script: str, **other: object) -> Program:
    return replace(Program("job", ("/bin/sh", "-c", script), Path("/")), **other)  # type: ignore[arg-type] # test helper


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    process.wait(5)


def start_and_read(processes: ProcessManager, program: Program, word: str) -> int:
    """Start *program*, wait until it has printed *word*, and return its pid."""
    running = processes.start(program)
    processes.wait_until(running, lambda: word in processes.log_tail("job"), timeout=60)
    return running.pid


def test_find_by_another_command_returns_the_process(
    layout: Layout, processes: ProcessManager
) -> None:
    started = processes.start(shell(SLEEPER, ports=(1234,)))
    found = ProcessManager(layout).find("job")
    assert found == started
    assert found.ports == (1234,)


def test_start_of_a_running_process_changes_nothing(processes: ProcessManager) -> None:
    assert processes.start(shell(SLEEPER)) == processes.start(shell(SLEEPER))


def test_stop_ends_the_process_and_deletes_its_record(processes: ProcessManager) -> None:
    running = processes.start(shell(SLEEPER))
    processes.stop("job")
    assert not is_alive(running.pid)
    assert processes.names() == []


def test_stop_without_a_process_does_nothing(processes: ProcessManager) -> None:
    processes.stop("job")
    assert processes.find("job") is None


def test_stop_kills_a_process_that_ignores_sigterm(processes: ProcessManager) -> None:
    pid = start_and_read(processes, shell(DEAF), "deaf")
    processes.stop("job", timeout=0.1)
    assert not is_alive(pid)


def test_stop_kills_the_group_of_a_dead_leader(processes: ProcessManager) -> None:
    pid = start_and_read(processes, shell(f"({DEAF}) & wait"), "deaf")
    (child,) = psutil.Process(pid).children()
    kill(pid)
    processes.stop("job", timeout=0.1)
    assert not is_alive(child.pid)


def test_start_first_ends_the_group_of_a_dead_leader(processes: ProcessManager) -> None:
    pid = start_and_read(processes, shell("(echo up; exec sleep 1000) & wait"), "up")
    (child,) = psutil.Process(pid).children()
    kill(pid)
    assert processes.start(shell(SLEEPER)).pid != pid
    assert not is_alive(child.pid)


def test_stop_ends_a_descendant_in_another_session(processes: ProcessManager) -> None:
    pid = start_and_read(processes, shell(f"setsid sh -c '{DEAF}' & wait"), "deaf")
    descendants = psutil.Process(pid).children(recursive=True)
    processes.stop("job", timeout=0.1)
    assert [process.pid for process in descendants if is_alive(process.pid)] == []


def test_stop_sends_no_signal_to_a_process_with_a_reused_pid(
    layout: Layout, processes: ProcessManager
) -> None:
    with subprocess.Popen(["/bin/sh", "-c", SLEEPER], start_new_session=True) as stranger:
        record = Record.from_process(psutil.Process(stranger.pid), shell(SLEEPER))
        earlier = replace(record, after_boot=record.after_boot - 60)
        (layout.run / "job.json").write_text(json.dumps(asdict(earlier)))
        assert processes.find("job") is None
        processes.stop("job")
        assert stranger.poll() is None
        stranger.kill()


def test_find_after_a_clock_change_returns_the_process(
    layout: Layout, processes: ProcessManager
) -> None:
    running = processes.start(shell(SLEEPER))
    path = layout.run / "job.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"created": record["created"] - 3600}))
    found = processes.find("job")
    assert found is not None
    assert found.pid == running.pid


def test_damaged_record_is_an_error_with_its_path(
    layout: Layout, processes: ProcessManager
) -> None:
    path = layout.run / "job.json"
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match=r"job\.json is damaged"):
        processes.find("job")
    path.unlink()


def test_process_inherits_no_variables_of_the_caller(
    processes: ProcessManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "hunter2")
    processes.run_and_wait(shell("env; cat", environment={"MINE": "1"}), timeout=10)
    names = {line.partition("=")[0] for line in processes.log_tail("job").splitlines()}
    assert "MINE" in names
    assert names <= {"MINE", "PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}


def test_process_dumps_no_core_and_creates_private_files(processes: ProcessManager) -> None:
    processes.run_and_wait(shell("ulimit -c; ulimit -Hc; umask"), timeout=10)
    assert processes.log_tail("job").splitlines() == ["0", "0", "0077"]


def test_log_and_record_are_private(layout: Layout, processes: ProcessManager) -> None:
    processes.start(shell(SLEEPER))
    files = [processes.log("job"), layout.run / "job.json"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]


def test_wait_until_fails_at_once_when_the_process_exits(
    processes: ProcessManager,
) -> None:
    running = processes.start(shell("for i in $(seq 30); do echo line $i; done; exit 3"))
    with pytest.raises(StartFailed, match="job: it exited while starting") as caught:
        processes.wait_until(running, lambda: False, timeout=60)
    assert caught.value.step == "job"
    assert caught.value.log_tail.splitlines() == [f"line {number}" for number in range(11, 31)]
    assert caught.value.log_tail in str(caught.value)


def test_wait_until_fails_after_its_timeout(layout: Layout, processes: ProcessManager) -> None:
    seconds = iter(range(100))
    paused: list[float] = []
    running = processes.start(shell(SLEEPER))
    watched = ProcessManager(layout, clock=lambda: next(seconds), sleep=paused.append)
    with pytest.raises(StartFailed, match="not ready after 5 s"):
        watched.wait_until(running, lambda: False, timeout=5)
    assert len(paused) == 4


def test_missing_command_is_in_the_error(processes: ProcessManager) -> None:
    running = processes.start(Program("job", ("/nonexistent/server",), Path("/")))
    with pytest.raises(StartFailed, match="/nonexistent/server: not found"):
        processes.wait_until(running, lambda: False, timeout=10)


def test_missing_folder_is_an_error(processes: ProcessManager, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"cannot be executed \(No such file or directory\)"):
        processes.start(shell(SLEEPER, folder=tmp_path / "absent"))
    assert processes.names() == []


def test_run_and_wait_with_an_error_code_reports_the_output(processes: ProcessManager) -> None:
    with pytest.raises(StartFailed, match="exit code 3") as caught:
        processes.run_and_wait(shell("echo no space >&2; exit 3"), timeout=10)
    assert caught.value.log_tail == "no space"


def test_run_and_wait_kills_the_program_after_its_timeout(processes: ProcessManager) -> None:
    with pytest.raises(StartFailed, match="not done after 2 s"):
        processes.run_and_wait(shell("echo $$; exec sleep 1000"), timeout=2.0)
    assert not is_alive(int(processes.log_tail("job")))


def test_run_and_wait_runs_the_program_in_its_own_session(processes: ProcessManager) -> None:
    processes.run_and_wait(shell("ps -o sid= -p $$"), timeout=10)
    assert int(processes.log_tail("job")) != os.getsid(0)
