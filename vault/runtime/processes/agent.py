"""A service's agent as a background process, which its supervisor keeps running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from vault.runtime.layout import Layout
from vault.runtime.processes.processes import ProcessManager, python_program
from vault.runtime.runtime import Status

AGENT: Final = "agent"
DELIVERY_SECONDS: Final = 30.0  # until the first config must be delivered


class AgentProcess:
    """Agent of a deployment whose servers are processes too."""

    start_message: Final = "agent started, config delivered"

    def __init__(self, layout: Layout, processes: ProcessManager) -> None:
        self._layout = layout
        self._processes = processes

    @property
    def log_hint(self) -> str:
        """Return the path of its log."""
        return str(self._processes.log(AGENT))

    def status(self) -> Status:
        """Return the state of its supervisor."""
        running = self._processes.find(AGENT)
        return Status(
            name=AGENT,
            title="Agent (delivers the config)",
            port=0,
            running=running is not None,
            pid=running.pid if running else None,
            since=running.since if running else None,
        )

    def start(self, config: Path, is_delivered: Callable[[], bool]) -> None:
        """Start the agent, and return once it has delivered.

        Args:
            config: File with the supervisor's settings.
            is_delivered: Returns whether a config was delivered. It is called repeatedly, and may
                raise to end the wait, which also stops the agent.

        Raises:
            StartFailed: If the agent exits, or does not deliver in time. It was stopped.

        """
        program = python_program(
            AGENT, "agent.supervisor", "--config", str(config), folder=self._layout.agents
        )
        try:
            agent = self._processes.start(program)
            self._processes.wait_until(agent, is_delivered, DELIVERY_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the agent, and the processes that a killed one left behind."""
        self._processes.stop(AGENT)
