"""Local deployment: a deployment on this machine, with the commands that change it later."""

from __future__ import annotations

from collections.abc import Callable

from app_integration.names import Scope
from console.local_agent import ConfigState
from console.service_deployment import ServiceDeployment
from console.steps import Step
from vault.declare.declaration import Declaration
from vault.runtime.embedded import EmbeddedRuntime
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.processes.agent import AGENT
from vault.runtime.runtime import Runtime, Status, no_progress


class LocalDeployment(ServiceDeployment):
    """Deployment of one service on this machine, in the environment ``dev``.

    *runtime* builds the runtime.
    """

    servers: Runtime

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        declaration: Declaration,
        service: str,
        runtime: Callable[[Layout, Ports, Scope], Runtime] = EmbeddedRuntime,
    ) -> None:
        super().__init__(layout, ports, declaration, service, runtime)

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

    def restart_agent(self, step: Step) -> None:
        """Restart the service's agent, and wait until it has delivered.

        Args:
            step: Shows the restart.

        Raises:
            ConfigRejected: If the delivered config is rejected.
            StartFailed: If the agent does not deliver in time.

        """
        with self.servers.exclusive():
            if self.agent is not None and not self.agent.restart(step):
                with step("agent restarted"):
                    self.servers.restart_agent()

    def redeliver(self, step: Step) -> None:
        """Apply the current declaration, and wait until the agent has delivered.

        If the agent runs in a container, only its template is updated.

        Args:
            step: Shows each step.

        Raises:
            ConfigRejected: If the delivered config is rejected.
            StartFailed: If the agent does not deliver in time.

        """
        if self.servers.agent_host is not None:
            self.up(step)
        elif self.agent is not None:
            with self.servers.exclusive(), step("agent restarted"):
                self.servers.restart_agent(self.agent.compile_template().text)

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

    def status(self) -> tuple[Status, ...]:
        """Return the state of the servers, and of the agent if the service has one."""
        agent_host = self.servers.agent_host if self.agent else None
        return (*self.servers.status(), *([agent_host.status()] if agent_host else []))

    def read_config_state(self) -> ConfigState | None:
        """Return the state of the service's config file, or None if the service declares none."""
        if self.agent is None:
            return None
        self.servers.sync_config()
        return self.agent.read_config_state()
