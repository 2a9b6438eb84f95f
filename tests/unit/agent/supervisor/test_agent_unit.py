"""Tests of one unit, with a program in place of the agent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.supervisor import agent_unit
from agent.supervisor.agent_unit import HEALTHY_AFTER, AgentUnit, count_failure
from agent.supervisor.start_limit import StartLimit
from agent.supervisor.unit_file import UnitFile
from agent.supervisor.unit_state import RunState, UnitState, read_state
from agent.supervisor.watched_files import WatchedFiles
from app_integration.config.delivery_status import status_file
from app_integration.errors import AccessDenied
from tests.support.processes.unit_files import until, write_unit

#: Programs in place of the agent, by what they do.
SLEEPS = "#!/bin/sh\nexec sleep 600\n"
EXITS = "#!/bin/sh\nexit 3\n"
#: In place of an interpreter that can deliver, but delivers nothing.
DELIVERS_NOTHING = "#!/bin/sh\necho\n"


def test_long_run_resets_the_failure_count() -> None:
    assert count_failure(5, HEALTHY_AFTER) == 1
    assert count_failure(5, HEALTHY_AFTER - 0.1) == 6
    assert count_failure(0, 0.0) == 1


def program(folder: Path, script: str, name: str = "program") -> str:
    path = folder / name
    path.write_text(script)
    path.chmod(0o700)
    return str(path)


def delivery(folder: Path) -> dict[str, str]:
    for name in ("staging", "live"):
        (folder / name).mkdir()
    return {
        "template": str(folder / "app.ctmpl"),
        "staging": str(folder / "staging" / "app.yaml"),
        "live": str(folder / "live" / "app.yaml"),
        "model": "models:Config",
    }


def run(path: Path, observe: Callable[[asyncio.Task[None]], Awaitable[None]]) -> None:
    """Run the unit of *path*, call *observe* meanwhile, and stop the unit."""

    async def scenario() -> None:
        unit = AgentUnit(UnitFile.read(path), StartLimit(), jitter=lambda: 0.0)
        task = asyncio.create_task(unit.run())
        try:
            await observe(task)
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(scenario())


def state_of(path: Path) -> UnitState:
    state = read_state(path.parent)
    assert state is not None
    return state


def is_in(path: Path, state: RunState) -> Callable[[], bool]:
    def matches() -> bool:
        found = read_state(path.parent)
        return found is not None and found.state is state

    return matches


def test_running_agent_has_its_pid_in_the_state(tmp_path: Path) -> None:
    path = write_unit(tmp_path, program=program(tmp_path, SLEEPS), generation="g1")
    pids: list[int] = []

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.RUNNING))
        state = state_of(path)
        assert state.pid is not None
        os.kill(state.pid, 0)
        assert (state.generation, state.reason) == ("g1", None)
        pids.append(state.pid)

    run(path, observe)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    stopped = state_of(path)
    assert (stopped.state, stopped.pid, stopped.generation) == (RunState.STOPPED, None, "g1")


def test_killed_agent_is_started_again(tmp_path: Path) -> None:
    path = write_unit(tmp_path, program=program(tmp_path, SLEEPS))

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.RUNNING))
        first = state_of(path).pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(is_in(path, RunState.WAITING))
        assert state_of(path).reason == ("the agent exited with code -9; read the supervisor's log")
        await until(is_in(path, RunState.RUNNING))
        assert state_of(path).pid != first

    run(path, observe)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "the start failed: OSError: /no/such/program: No such file or directory"),
        (EXITS, "the agent exited with code 3; read the supervisor's log"),
    ],
)
def test_agent_that_fails_is_reported_and_waits(
    tmp_path: Path, script: str | None, reason: str
) -> None:
    path = write_unit(tmp_path, program=program(tmp_path, script) if script else "/no/such/program")

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.WAITING))
        assert (state_of(path).reason, state_of(path).pid) == (reason, None)

    run(path, observe)


def test_unit_is_blocked_until_its_interpreter_can_deliver(tmp_path: Path) -> None:
    python = tmp_path / "python"
    path = write_unit(
        tmp_path,
        program=program(tmp_path, SLEEPS),
        python=str(python),
        deliveries=[delivery(tmp_path)],
    )

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.BLOCKED))
        reason = str(state_of(path).reason)
        assert reason.startswith(f"{python} cannot be used: No such file or directory; ")
        program(tmp_path, DELIVERS_NOTHING, "python")
        await until(is_in(path, RunState.RUNNING))

    run(path, observe)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AccessDenied("the starter may not"), "AccessDenied: the starter may not"),
        (KeyError("s.secret"), "KeyError: unexpected error; report it with this kind"),
    ],
)
def test_secret_id_that_cannot_be_issued_is_reported_without_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def issue(*_: object) -> str:
        raise error

    monkeypatch.setattr(agent_unit, "issue_as_starter", issue)
    path = write_unit(tmp_path, starter_role_id_file="/s/role-id")

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.WAITING))
        assert state_of(path).reason == f"the start failed: {reason}"

    run(path, observe)


def test_secret_id_is_deleted_when_the_agent_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_unit, "issue_as_starter", lambda *_: "s.wrapped")
    script = program(tmp_path, SLEEPS)
    path = write_unit(tmp_path, program=script, starter_role_id_file="/s/role-id")
    secret_id = tmp_path / "secret-id"

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.RUNNING))
        assert secret_id.read_text() == "s.wrapped"
        assert secret_id.stat().st_mode & 0o7777 == 0o600

    run(path, observe)
    assert not secret_id.exists()


def test_invalid_configuration_fails_until_it_is_changed(tmp_path: Path) -> None:
    path = write_unit(tmp_path, wrap_ttl="soon", generation="g1")

    async def observe(task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.FAILED))
        assert str(path) in str(state_of(path).reason)
        assert state_of(path).generation == "g1"
        assert not task.done()

    run(path, observe)
    assert state_of(path).state is RunState.STOPPED


def leave_results(path: Path) -> list[Path]:
    """Write what an earlier agent and its delivery leave behind."""
    each = json.loads(path.read_text())["deliveries"][0]
    files = [Path(each["staging"]), status_file(Path(each["live"])), Path(each["live"])]
    for file in files:
        file.write_text("earlier\n")
    return files


def existing(files: list[Path]) -> list[bool]:
    return [file.exists() for file in files]


def test_changed_configuration_discards_earlier_results_before_its_generation_shows(
    tmp_path: Path,
) -> None:
    base: dict[str, Any] = {"deliveries": [delivery(tmp_path)], "program": "/no/such/program"}
    base["python"] = program(tmp_path, DELIVERS_NOTHING, "python")
    path = write_unit(tmp_path, generation="g1", **base)
    files = leave_results(path)

    async def observe_first(_task: asyncio.Task[None]) -> None:
        await until(lambda: read_state(tmp_path))
        assert existing(files) == [False, False, True]

    async def observe_same(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.WAITING))
        assert existing(files) == [True, True, True]

    async def observe_changed(_task: asyncio.Task[None]) -> None:
        await until(lambda: state_of(path).generation == "g2")
        assert existing(files) == [False, False, True]

    run(path, observe_first)
    leave_results(path)
    run(path, observe_same)
    path = write_unit(tmp_path, generation="g2", **base)
    run(path, observe_changed)


def test_removed_configuration_is_forgotten(tmp_path: Path) -> None:
    path = write_unit(tmp_path, program=program(tmp_path, SLEEPS), generation="g1")

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(is_in(path, RunState.RUNNING))
        path.unlink()

    run(path, observe)
    state = state_of(path)
    assert (state.state, state.generation, state.digest) == (RunState.STOPPED, "", "")
    assert state.reason == "run.json was removed"


def test_state_that_cannot_be_written_does_not_stop_the_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_unit(tmp_path / "unit", program=program(tmp_path, SLEEPS))
    (tmp_path / "unit" / ".state.json.new").mkdir()

    async def observe(_task: asyncio.Task[None]) -> None:
        await until(lambda: "agent_started" in capsys.readouterr().err)
        assert read_state(path.parent) is None

    run(path, observe)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events][-2:] == ["state_failed", "stopped"]


def test_start_holds_its_slot_until_it_has_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = program(tmp_path, SLEEPS)
    first, second = (write_unit(tmp_path / name, program=script) for name in ("a", "b"))
    polls, delivered = list[bool](), asyncio.Event()

    def has_results(_self: WatchedFiles) -> bool:
        polls.append(delivered.is_set())
        return delivered.is_set()

    monkeypatch.setattr(WatchedFiles, "has_results", has_results)

    async def scenario() -> None:
        starts = StartLimit(1, 600.0)
        units = [AgentUnit(UnitFile.read(each), starts) for each in (first, second)]
        tasks = [asyncio.create_task(unit.run()) for unit in units]
        await until(lambda: len(polls) == 3)
        assert is_in(first, RunState.RUNNING)()
        assert is_in(second, RunState.STARTING)()
        delivered.set()
        await until(is_in(second, RunState.RUNNING))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(scenario())
