"""A service's agent as a background process, kept running by its supervisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from vault.runtime.layout import Layout
from vault.runtime.processes.processes import Processes, python_program
from vault.runtime.runtime import Status

AGENT: Final = "agent"
DELIVERY_SECONDS: Final = 30.0  # for the first config to arrive


class AgentProcess:
    """The agent of a deployment whose servers are processes too."""

    task: Final = "agent started, config delivered"

    def __init__(self, layout: Layout, processes: Processes) -> None:
        self._layout = layout
        self._processes = processes

    @property
    def log(self) -> str:
        """The file that it prints to."""
        return str(self._processes.log(AGENT))

    def status(self) -> Status:
        """Whether its supervisor runs."""
        running = self._processes.find(AGENT)
        return Status(
            name=AGENT,
            title="Agent (delivers the config)",
            port=0,
            running=running is not None,
            pid=running.pid if running else None,
            since=running.since if running else None,
        )

    def start(self, config: Path, delivered: Callable[[], bool]) -> None:
        """Run it on *config*; returns once *delivered* says yes.

        Raises:
            StartFailed: it ended, or didn't deliver in time; it was stopped.

        """
        program = python_program(
            AGENT, "agent.supervisor", "--config", str(config), folder=self._layout.agents
        )
        try:
            agent = self._processes.start(program)
            self._processes.wait_until(agent, delivered, DELIVERY_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, and what a killed one left running."""
        self._processes.stop(AGENT)
