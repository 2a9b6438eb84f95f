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
from vault.runtime.layout import Layout
from vault.runtime.processes.processes import Processes
from vault.runtime.processes.program import Program, Record
from vault.runtime.runtime import StartFailed

SLEEPER = "exec sleep 1000"
#: Says when the trap is set, so that no signal comes before it.
DEAF = 'trap "" TERM; echo deaf; while :; do sleep 1000; done'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    return layout


@pytest.fixture
def processes(layout: Layout) -> Iterator[Processes]:
    processes = Processes(layout)
    yield processes
    for name in processes.names():
        processes.stop(name, timeout=0)


def shell(script: str, **other: object) -> Program:
    return replace(Program("job", ("/bin/sh", "-c", script), Path("/")), **other)  # type: ignore[arg-type] # test helper


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    process.wait(5)


def start_and_read(processes: Processes, program: Program, word: str) -> int:
    """Start *program*, wait until it printed *word*; its pid."""
    running = processes.start(program)
    processes.wait_until(running, lambda: word in processes.log_tail("job"), timeout=10)
    return running.pid


def test_a_process_is_found_again_by_another_command(layout: Layout, processes: Processes) -> None:
    started = processes.start(shell(SLEEPER, ports=(1234,)))
    found = Processes(layout).find("job")
    assert found == started
    assert found.ports == (1234,)


def test_starting_what_runs_changes_nothing(processes: Processes) -> None:
    assert processes.start(shell(SLEEPER)) == processes.start(shell(SLEEPER))


def test_a_stopped_process_is_gone_and_forgotten(processes: Processes) -> None:
    running = processes.start(shell(SLEEPER))
    processes.stop("job")
    assert not alive(running.pid)
    assert processes.names() == []


def test_stopping_what_never_ran_is_nothing(processes: Processes) -> None:
    processes.stop("job")
    assert processes.find("job") is None


def test_a_process_that_ignores_sigterm_is_killed(processes: Processes) -> None:
    pid = start_and_read(processes, shell(DEAF), "deaf")
    processes.stop("job", timeout=0.1)
    assert not alive(pid)


def test_what_a_dead_leader_left_in_its_group_is_killed(processes: Processes) -> None:
    pid = start_and_read(processes, shell(f"({DEAF}) & wait"), "deaf")
    (child,) = psutil.Process(pid).children()
    kill(pid)
    processes.stop("job", timeout=0.1)
    assert not alive(child.pid)


def test_what_a_dead_leader_left_is_ended_before_the_next_start(processes: Processes) -> None:
    pid = start_and_read(processes, shell("(echo up; exec sleep 1000) & wait"), "up")
    (child,) = psutil.Process(pid).children()
    kill(pid)
    assert processes.start(shell(SLEEPER)).pid != pid
    assert not alive(child.pid)


def test_a_descendant_in_a_session_of_its_own_is_stopped_too(processes: Processes) -> None:
    pid = start_and_read(processes, shell(f"setsid sh -c '{DEAF}' & wait"), "deaf")
    descendants = psutil.Process(pid).children(recursive=True)
    processes.stop("job", timeout=0.1)
    assert [process.pid for process in descendants if alive(process.pid)] == []


def test_a_pid_that_was_given_to_someone_else_is_never_signalled(
    layout: Layout, processes: Processes
) -> None:
    with subprocess.Popen(["/bin/sh", "-c", SLEEPER], start_new_session=True) as stranger:
        record = Record.of(psutil.Process(stranger.pid), shell(SLEEPER))
        earlier = replace(record, after_boot=record.after_boot - 60)
        (layout.run / "job.json").write_text(json.dumps(asdict(earlier)))
        assert processes.find("job") is None
        processes.stop("job")
        assert stranger.poll() is None
        stranger.kill()


def test_setting_the_clock_does_not_lose_a_process(layout: Layout, processes: Processes) -> None:
    running = processes.start(shell(SLEEPER))
    path = layout.run / "job.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"created": record["created"] - 3600}))
    found = processes.find("job")
    assert found is not None
    assert found.pid == running.pid


def test_a_damaged_record_is_named(layout: Layout, processes: Processes) -> None:
    path = layout.run / "job.json"
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match=r"job\.json is damaged"):
        processes.find("job")
    path.unlink()


def test_nothing_is_inherited_but_what_the_program_says(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "hunter2")
    processes.complete(shell("env; cat", environment={"MINE": "1"}), timeout=10)
    names = {line.partition("=")[0] for line in processes.log_tail("job").splitlines()}
    assert "MINE" in names
    assert names <= {"MINE", "PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}


def test_a_process_dumps_no_core_and_makes_private_files(processes: Processes) -> None:
    processes.complete(shell("ulimit -c; ulimit -Hc; umask"), timeout=10)
    assert processes.log_tail("job").splitlines() == ["0", "0", "0077"]


def test_log_and_record_are_private(layout: Layout, processes: Processes) -> None:
    processes.start(shell(SLEEPER))
    files = [processes.log("job"), layout.run / "job.json"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]


def test_a_process_that_dies_while_starting_fails_at_once_with_its_last_lines(
    processes: Processes,
) -> None:
    running = processes.start(shell("for i in $(seq 30); do echo line $i; done; exit 3"))
    with pytest.raises(StartFailed, match="job: it ended while starting") as caught:
        processes.wait_until(running, lambda: False, timeout=60)
    assert caught.value.step == "job"
    assert caught.value.log_tail.splitlines() == [f"line {number}" for number in range(11, 31)]
    assert caught.value.log_tail in str(caught.value)


def test_a_process_that_is_never_ready_fails_when_its_time_is_over(
    layout: Layout, processes: Processes
) -> None:
    seconds = iter(range(100))
    paused: list[float] = []
    running = processes.start(shell(SLEEPER))
    watched = Processes(layout, clock=lambda: next(seconds), sleep=paused.append)
    with pytest.raises(StartFailed, match="not ready after 5 s"):
        watched.wait_until(running, lambda: False, timeout=5)
    assert len(paused) == 4


def test_a_command_that_does_not_exist_says_so(processes: Processes) -> None:
    running = processes.start(Program("job", ("/nonexistent/server",), Path("/")))
    with pytest.raises(StartFailed, match="/nonexistent/server: not found"):
        processes.wait_until(running, lambda: False, timeout=10)


def test_a_folder_that_does_not_exist_says_so(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="can't be executed \\(No such file or directory\\)"):
        processes.start(shell(SLEEPER, folder=tmp_path / "absent"))
    assert processes.names() == []


def test_a_step_that_exits_with_an_error_carries_what_it_printed(processes: Processes) -> None:
    with pytest.raises(StartFailed, match="exit code 3") as caught:
        processes.complete(shell("echo no space >&2; exit 3"), timeout=10)
    assert caught.value.log_tail == "no space"


def test_a_step_that_takes_too_long_is_killed(processes: Processes) -> None:
    with pytest.raises(StartFailed, match="not done after 0 s"):
        processes.complete(shell("echo $$; exec sleep 1000"), timeout=0.3)
    assert not alive(int(processes.log_tail("job")))


def test_a_step_has_a_session_of_its_own(processes: Processes) -> None:
    processes.complete(shell("ps -o sid= -p $$"), timeout=10)
    assert int(processes.log_tail("job")) != os.getsid(0)
