"""Deployment that was started, as its folder shows it: its state, its stop and its removal."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.layout import Layout
from local.processes.agent_supervisor import AGENT
from local.runtime_interface import Runtime, Status, no_progress
from local.services.config_state import ConfigState, read_config_state
from local.status_record import StatusRecord
from vault.progress import Step


@dataclass(frozen=True, slots=True)
class StartedDeployment:
    """Deployment in *layout* on the runtime *servers*, without its declaration.

    *record* has what its processes do not show. Neither a stop nor a removal needs it.
    """

    layout: Layout
    servers: Runtime
    record: StatusRecord = field(default_factory=StatusRecord)

    def status(self) -> tuple[Status, ...]:
        """Return the state of the servers, and of the agents if a service has one."""
        own = map(self._own_database, self.record.own_databases)
        has_agents = any(self.layout.agents.glob("*/run.json"))
        host = self.servers.agent_host if has_agents else None
        return (*self.servers.status(), *own, *([host.status()] if host else []))

    def _own_database(self, address: tuple[str, int]) -> Status:
        from local.servers.administrator import Administrator  # noqa: PLC0415 (few teams have one)

        host, port = address
        return Administrator(self.layout, port, lambda: None, host).status()

    def read_config_states(self) -> dict[str, ConfigState]:
        """Return the state of the config file of each service that declares one."""
        if self.record.configs:
            self.servers.sync_config()
        return {
            service: read_config_state(self.layout, service, file)
            for service, file in self.record.configs.items()
        }

    def down(self, step: Step) -> tuple[str, ...]:
        """Stop all processes, and return the names of those that were running.

        The embedded runtime keeps the data, and the container runtime removes it.
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
        """Stop all processes, and erase data, keys, passwords and logs."""
        if not self.layout.root.exists():
            return
        with self.servers.exclusive():
            self.down(no_progress)
            self.servers.reset()
