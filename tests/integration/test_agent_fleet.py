"""Tests of one supervisor that runs the real agents of several services, on a real server."""

from __future__ import annotations

import shutil
import signal
import socket
import sys

import psutil
import pytest

from agent.supervisor.unit_state import RunState
from app_integration._internal.private_file import stamp
from app_integration.config.delivery_status import State, read_status
from tests.support.polling import wait_until
from tests.support.processes.agent_fleet import (
    MODELS,
    PATIENCE,
    TEMPLATE,
    AgentFleet,
    ServiceUnit,
    wait_until_delivered,
)

pytestmark = pytest.mark.requires("embedded")

#: A model that never returns from its import.
HANGS = "import time\ntime.sleep(600)\n"


def start(fleet: AgentFleet, count: int) -> list[ServiceUnit]:
    """Run *count* services until each has delivered."""
    units = [fleet.add(f"s{number:02}", "first") for number in range(count)]
    fleet.start()
    wait_until_delivered(units, "first")
    return units


def pids(units: list[ServiceUnit]) -> list[int]:
    return [unit.agent_pid() for unit in units]


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_in(unit: ServiceUnit, state: RunState) -> bool:
    return unit.state is not None and unit.state.state is state


def test_units_that_fail_hold_up_no_other_and_are_reported(fleet: AgentFleet) -> None:
    rejected, denied, broken, sound = (
        fleet.add(name, value)
        for name, value in (("a", "bad"), ("b", "first"), ("c", "first"), ("d", "first"))
    )
    secret_id = denied.starter_secret_id.read_text()
    denied.starter_secret_id.write_text("wrong-secret-id")
    (broken.folder / "run.json").write_text("{")
    fleet.start()
    wait_until_delivered([sound], "first")
    wait_until(lambda: rejected.status is not None, "the rejection", PATIENCE)
    wait_until(lambda: is_in(denied, RunState.WAITING), "the denied login", PATIENCE)
    assert rejected.status is not None
    assert rejected.status.state is State.REFUSED
    assert denied.state is not None
    assert str(denied.state.reason).startswith("the start failed: AuthenticationFailed: ")
    assert is_in(broken, RunState.FAILED)
    code, lines = fleet.check()
    assert (code, [line.split(": ")[0] for line in lines]) == (1, ["a", "b", "c"])
    denied.starter_secret_id.write_text(secret_id)
    rejected.put("better")
    for unit in (denied, broken):
        unit.write()
    wait_until_delivered([denied, broken], "first")
    wait_until_delivered([rejected], "better")
    assert fleet.check() == (0, [])
    shown = "\n".join([fleet.log, *lines])
    values = ["better", "wrong-secret-id", secret_id]
    assert [value for value in values if value in shown] == []


def test_server_that_does_not_respond_delays_neither_other_units_nor_the_stop(
    fleet: AgentFleet,
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        for number in range(8):
            unit = fleet.add(f"a{number}", "first")
            unit.address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            unit.write()
        last = fleet.add("z", "first")
        fleet.start()
        wait_until_delivered([last], "first")
        assert fleet.stop() == 0
    # None reached its deadline meanwhile, and nothing was delivered to folders that do not exist.
    assert fleet.events("start_failed") == fleet.events("delivery_failed") == []


def test_changed_template_restarts_its_agent_only(fleet: AgentFleet) -> None:
    units = start(fleet, 3)
    before, changed = pids(units), units[1]
    changed.source = f"{TEMPLATE}# second\n"
    changed.write()
    wait_until_delivered([changed], "first")
    assert changed.delivery.live.read_text().endswith("# second\n")
    after = pids(units)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]
    assert has_ended(before[1])


def test_killed_agent_is_replaced_and_removed_units_end(fleet: AgentFleet) -> None:
    killed, without_file, without_folder, untouched = units = start(fleet, 4)
    before = pids(units)
    psutil.Process(before[0]).kill()
    (without_file.folder / "run.json").unlink()
    shutil.rmtree(without_folder.folder)
    wait_until(lambda: all(map(has_ended, before[:3])), "the end of three agents", PATIENCE)
    wait_until(lambda: is_in(without_file, RunState.STOPPED), "the stopped unit", PATIENCE)
    wait_until(
        lambda: is_in(killed, RunState.RUNNING) and killed.agent_pid() != before[0],
        "another agent",
        PATIENCE,
    )
    assert untouched.agent_pid() == before[3]
    assert without_folder.state is None
    assert without_file.state is not None
    assert without_file.state.generation == ""
    killed.put("second")
    wait_until_delivered([killed], "second")


def test_delivery_of_an_earlier_agent_ends_with_it(fleet: AgentFleet) -> None:
    """Otherwise its outcome would be taken for that of the changed unit."""
    unit, models = fleet.add("s", "first"), fleet.folder / "work" / "models.py"
    models.write_text(HANGS)
    fleet.start()
    wait_until(lambda: is_in(unit, RunState.RUNNING), "the agent", PATIENCE)
    assert fleet.process is not None
    supervisor, mark = psutil.Process(fleet.process.pid), "app_integration.config.validation"

    def validations() -> list[psutil.Process]:
        return [each for each in supervisor.children() if mark in " ".join(each.cmdline())]

    command = wait_until(validations, "the delivery", PATIENCE)[0].pid
    models.write_text(MODELS)
    unit.source = f"{TEMPLATE}# second\n"
    unit.write()
    wait_until_delivered([unit], "first")
    assert has_ended(command)
    assert unit.delivery.live.read_text().endswith("# second\n")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_killed_supervisor_leaves_no_agent_and_its_successor_keeps_the_results(
    fleet: AgentFleet,
) -> None:
    units = start(fleet, 2)
    staged = [stamp(unit.delivery.staging) for unit in units]
    assert fleet.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: fleet.agents() == [], "the end of the agents", PATIENCE)
    for unit in units:
        unit.delivery.live.unlink()
        # The starter cannot log in, so only the staged file can be delivered.
        unit.starter_secret_id.write_text("wrong-secret-id")
    fleet.start()
    wait_until(
        lambda: all(is_in(unit, RunState.WAITING) for unit in units), "the denials", PATIENCE
    )
    wait_until_delivered(units, "first")
    assert [stamp(unit.delivery.staging) for unit in units] == staged


@pytest.mark.nightly
def test_twenty_units_deliver_and_stop_together(fleet: AgentFleet) -> None:
    units = start(fleet, 20)
    assert fleet.check() == (0, [])
    assert len(fleet.agents()) == len(set(pids(units))) == 20
    assert all(read_status(unit.delivery.live) for unit in units)
    assert fleet.stop() == 0
    assert fleet.agents() == []
    ends = [line for line in fleet.log.splitlines() if line.endswith("sinks finished, exiting")]
    assert {line.split(": ")[0] for line in ends} == {unit.folder.name for unit in units}
    assert {unit.state.state for unit in units if unit.state} == {RunState.STOPPED}
