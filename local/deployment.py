"""Local deployment: a deployment on this machine, with the commands that change it later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from local.access import Access
from local.deployment_setup import DeploymentSetup, UpResult
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import AgentUnit, Runtime
from local.runtimes.embedded_runtime import EmbeddedRuntime
from local.services import dev_services
from local.services.agents import ServicesFailed
from local.services.service_deployment import ServiceDeployment
from local.started_deployment import StartedDeployment
from vault.declare.declaration import Declaration
from vault.progress import Step

if TYPE_CHECKING:
    from local.services.local_agent import LocalAgent


class LocalDeployment(DeploymentSetup):
    """Deployment of all services on this machine, in the environment ``dev``.

    *runtime* builds the runtime.
    """

    servers: Runtime

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        declaration: Declaration,
        runtime: Callable[[Layout, Ports, Sequence[Access]], Runtime] = EmbeddedRuntime,
    ) -> None:
        super().__init__(layout, ports, declaration, runtime)

    @property
    def started(self) -> StartedDeployment:
        """Return what runs of it, or does not, with what :meth:`up` would start now."""
        record = dev_services.status_record(self.declaration, self._accesses)
        return StartedDeployment(self.layout, self.servers, record)

    def restart_agent(self, service: str, step: Step) -> None:
        """Restart the agent of *service*, and wait until it has delivered."""
        deployed = self.service(service)
        if deployed.agent is None:
            return
        with self.servers.exclusive():
            if self.servers.agent_host is None:
                with step(f"agent of {service} restarted"):
                    self.servers.restart_agent(self._unit(deployed.agent))
                return
            result = self.agents(self._running_with(service)).deliver(step, restarted=[service])
            if result.errors:
                raise ServicesFailed.combine(result.errors)

    def redeliver(self, service: str, step: Step) -> None:
        """Apply the current declaration, and wait until the agent of *service* has delivered.

        If the agent runs in a container, only its template is updated.
        """
        agent = self.service(service).agent
        if self.servers.agent_host is not None:
            self.up(step, [each.scope.service for each in self._running_with(service)])
        elif agent is not None:
            with self.servers.exclusive(), step(f"agent of {service} restarted"):
                self.servers.restart_agent(self._unit(agent), agent.compile_template().file_text)

    def set_up(self, service: str, step: Step) -> UpResult:
        """Start what does not run, apply the declaration, and set up *service*.

        If the deployment runs already, no agent is started but that of *service*. The result has
        the errors of deliveries.
        """
        is_running = any(part.running for part in self.servers.status())
        if not is_running or self.servers.agent_host is None:
            return self.bring_up(step)
        return self.bring_up(step, [each.scope.service for each in self._running_with(service)])

    def is_set_up(self, service: str) -> bool:
        """Return whether *service* has its credential and variables, and a config was delivered.

        It is not if a database or Redis was declared since, whose users nobody can lease yet.
        """
        deployed = self.service(service)
        files = [self.layout.service_env(service)]
        files += [self.layout.service_secret_id(role) for role in deployed.roles]
        if deployed.agent is not None and self.servers.agent_host is not None:
            files.append(deployed.agent.live)
        return all(file.exists() for file in files) and not deployed.access.lacks_manager()

    def _running_with(self, service: str) -> list[ServiceDeployment]:
        """Return *service* and the services whose agents run, which must go on running."""
        return [
            each
            for name, each in self.services.items()
            if name == service or (each.agent is not None and each.agent.has_files)
        ]

    def _unit(self, agent: LocalAgent) -> AgentUnit:
        paths = (agent.folder, agent.template, agent.live)
        return AgentUnit(*(path.relative_to(self.layout.root) for path in paths))
