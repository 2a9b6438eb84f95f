"""Supervisor of the agents, as a background process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.supervisor.unit_file import LOCK_FILE
from local.layout import Layout
from local.processes.processes import ProcessManager, python_program
from local.runtime_interface import Status

AGENT: Final = "agent"


class AgentProcess:
    """Supervisor of a deployment's agents, whose servers are processes too.

    It runs an agent for each folder in the folder of agents.
    """

    needs_values: Final = False

    def __init__(self, layout: Layout, processes: ProcessManager, vault_address: str) -> None:
        self.vault_address = vault_address
        self._layout = layout
        self._processes = processes

    def status(self) -> Status:
        """Return the state of its supervisor."""
        running = self._processes.find(AGENT)
        return Status(
            name=AGENT,
            title="Agents (deliver the configs)",
            port=0,
            running=running is not None,
            pid=running.pid if running else None,
            since=running.since if running else None,
        )

    def start(self) -> None:
        """Start the supervisor, unless it is running.

        One of an earlier version is replaced, because it leaves the first delivery to a command of
        the agent, which has none.
        """
        running = self._processes.find(AGENT)
        if running is not None and not self._is_current(running.pid):
            self._processes.stop(AGENT)
        program = python_program(
            AGENT,
            "agent.supervisor",
            "--agents",
            str(self._layout.agents),
            folder=self._layout.agents,
        )
        self._processes.start(program)

    def _is_current(self, pid: int) -> bool:
        try:
            found = (self._layout.agents / LOCK_FILE).read_text(encoding="ascii")
        except (OSError, ValueError):
            return False
        return found == f"{pid}\n"

    def wait_until(self, is_delivered: Callable[[], bool], seconds: float) -> None:
        """Wait until *is_delivered* returns True."""
        self._processes.wait_for_delivery(AGENT, is_delivered, seconds)

    def stop(self) -> None:
        """Stop the agents, and the processes that a killed supervisor left behind."""
        self._processes.stop(AGENT)
