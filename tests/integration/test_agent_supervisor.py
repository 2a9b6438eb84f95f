"""Supervisor of a local deployment, as ``up`` starts it, and takes over that of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.layout import Layout
from local.processes.agent_supervisor import AGENT, AgentProcess
from local.processes.processes import ProcessManager
from local.processes.program import Program
from tests.support.polling import wait_until


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    layout.agents.mkdir(exist_ok=True)
    return layout


@pytest.fixture
def processes(layout: Layout) -> Iterator[ProcessManager]:
    processes = ProcessManager(layout)
    yield processes
    for name in processes.names():
        processes.stop(name, timeout=0)


@pytest.mark.parametrize("found", [None, "", "1\n", "\xff"])
def test_supervisor_of_an_earlier_version_is_replaced_once(
    layout: Layout, processes: ProcessManager, found: str | None
) -> None:
    lock = layout.agents / ".supervisor.lock"
    if found is not None:
        lock.write_text(found, encoding="latin-1")
    earlier = processes.start(Program(AGENT, ("/bin/sleep", "1000"), Path("/")))
    agents = AgentProcess(layout, processes, "http://127.0.0.1:1")
    agents.start()
    pid = agents.status().pid
    assert pid not in {None, earlier.pid}
    wait_until(lambda: lock.exists() and lock.read_bytes() == f"{pid}\n".encode(), "its start")
    agents.start()
    assert agents.status().pid == pid
