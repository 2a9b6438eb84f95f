"""Servers and agents of the local deployment: how they stop. That needs no declaration."""

from __future__ import annotations

from dataclasses import dataclass

from console.steps import Step
from vault.runtime.layout import Layout
from vault.runtime.processes.agent import AGENT
from vault.runtime.runtime import Runtime, no_progress


@dataclass(frozen=True, slots=True)
class LocalServers:
    """Processes of the deployment in *layout*, of the runtime *servers*."""

    layout: Layout
    servers: Runtime

    def down(self, step: Step) -> tuple[str, ...]:
        """Stop all processes, and return the names of those that were running.

        The embedded runtime keeps the data, and the container runtime removes it.

        Args:
            step: Shows each step.

        Raises:
            StrongroomError: If another command has the lock, or a process cannot be stopped.

        """
        if not self.layout.run.exists():
            return ()
        with self.servers.exclusive():
            agent_host = self.servers.agent_host
            running = (AGENT,) if agent_host and agent_host.status().running else ()
            if agent_host:
                with step(f"{AGENT} stopped"):
                    agent_host.stop()
            return running + self.servers.stop(lambda title: step(f"{title} stopped"))

    def reset(self) -> None:
        """Stop all processes, and erase data, keys, passwords and logs.

        Raises:
            StrongroomError: If another command has the lock, or a process cannot be stopped.

        """
        if not self.layout.root.exists():
            return
        with self.servers.exclusive():
            self.down(no_progress)
            self.servers.reset()
