"""Setup of a deployment by ``up``: servers, declaration, credentials and agents of all services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.auth.methods import AppRole, AuthMethod, StaticToken
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from local.access import Access
from local.files import read_or_create_password
from local.layout import Layout
from local.listener_guard import ListenerGuard
from local.ports import Ports
from local.processes.agent_supervisor import AGENT
from local.runtime_interface import Servers
from local.servers.administrator import Administrator
from local.services import dev_services
from local.services.agents import Agents, ServicesFailed
from local.services.databases import ensure_databases, read_former_urls, reset_unknown_managers
from local.services.service_deployment import ServiceDeployment
from local.services.service_files import remove_undeclared, write_variables
from local.services.urls import update_ports
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import APPLY_JOB, PLAN_JOB
from vault.progress import Step
from vault.reconcile.credentials import bootstrap, ensure_credential
from vault.reconcile.desired.desired import apply_role_resources, desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.reconcile.shared_backoff import SharedBackoff


@dataclass(frozen=True, slots=True)
class UpResult:
    """Changes that :meth:`DeploymentSetup.up` made."""

    started: tuple[str, ...]
    plan: Plan
    issued: tuple[str, ...]
    delivered: tuple[str, ...] = ()
    failures: Mapping[str, StrongroomError] = field(default_factory=dict)
    has_lost_data: bool = False

    @property
    def has_changes(self) -> bool:
        """Return whether anything was changed."""
        return bool(
            self.started or self.plan.changes or self.issued or self.delivered or self.has_lost_data
        )


class DeploymentSetup:
    """Setup of a deployment of the services of ``dev``, on any runtime.

    *servers* builds the runtime.
    """

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        declaration: Declaration,
        servers: Callable[[Layout, Ports, Sequence[Access]], Servers],
    ) -> None:
        self.layout = layout
        self.ports = ports
        local = declaration.with_vault(Environment.DEV, ports.vault_address)
        self.declaration = dev_services.with_local_servers(local, ports)
        accesses = dev_services.service_accesses(layout, ports, declaration, self.check_listeners)
        self.servers = servers(layout, ports, accesses)
        self.services: Mapping[str, ServiceDeployment] = {
            each.scope.service: ServiceDeployment(each, self.declaration, self.servers.agent_host)
            for each in accesses
        }

    def service(self, name: str) -> ServiceDeployment:
        """Return the service *name*."""
        self.declaration.deployment(Scope(name, Environment.DEV))
        return self.services[name]

    def up(self, step: Step, services: Sequence[str] = ()) -> UpResult:
        """Start the servers, apply the declaration, and deliver the services' configs.

        Steps that are already done are skipped. If a step before the delivery fails, the servers
        that this call started are stopped; later all stay, because the operator fixes a wrong value
        on them. Only *services* get a credential and an agent, if any is named.
        """
        result = self.bring_up(step, services)
        if result.failures:
            raise ServicesFailed.combine(result.failures)
        return result

    def bring_up(self, step: Step, services: Sequence[str] = ()) -> UpResult:
        """Do the same as :meth:`up`, but return the errors of deliveries."""
        selected = [self.service(name) for name in services] or list(self.services.values())
        if self._declared.is_scoped:
            raise ConfigurationError(
                "environments/dev.yaml declares 'apply_role: scoped', but nobody else makes the "
                "mounts of a local deployment; remove it, or set VAULT_ADDR to another server"
            )
        if services and self.servers.agent_host is None:
            raise ConfigurationError(
                "in containers the agents of all services are started together; run up without the "
                "names of services"
            )
        with self.servers.exclusive():
            ensure_databases(self._accesses, self.servers.name, step)
            return self._up(step, selected)

    @property
    def _accesses(self) -> list[Access]:
        return [each.access for each in self.services.values()]

    def own_databases(self) -> list[Administrator]:
        """Return the administrator of each PostgreSQL of the team's own that dev.yaml names."""
        found = [each.administrator for each in self._accesses]
        return list({each.address: each for each in found if each is not None}.values())

    def _up(self, step: Step, selected: Sequence[ServiceDeployment]) -> UpResult:
        started = self.servers.start(step)
        write_private(self.layout.runtime, self.servers.name)
        try:
            if started.root_token is not None:
                with step(f"root token replaced by {self._apply_role}, and revoked"):
                    self._bootstrap(started.root_token)
            for each in self.services.values():
                each.prepare_users()
            plan, issued, moved = self._apply(step, selected)
        except BaseException:
            self.servers.stop_started(started)
            raise
        remove_undeclared(self.layout, self.services)
        dev_services.status_record(self.declaration, self._accesses).write(self.layout)
        variables = {name: each.variables() for name, each in self.services.items()}
        write_variables(self.layout, variables, [each.scope.service for each in selected])
        # A running agent would render a moved URL only after its interval.
        delivery = self.agents(selected).deliver(step, restarted=moved, missing=plan.missing)
        names = (*started.servers, *([AGENT] if delivery.is_host_started else []))
        return UpResult(
            names, plan, issued, delivery.delivered, delivery.errors, started.has_lost_data
        )

    def agents(self, services: Sequence[ServiceDeployment]) -> Agents:
        """Return the agents of those of *services* that declare a config."""
        agents = {each.scope.service: each.agent for each in services if each.agent is not None}
        others = [each.agent for each in self.services.values() if each not in services]
        host = self.servers.agent_host
        return Agents(agents, host, [agent for agent in others if agent is not None])

    def operator(self, role: str = APPLY_JOB) -> Session:
        """Open a session with this deployment's credential of the operator's *role*."""
        name = self._declared.server_name(role)
        files = self.layout.role_id(name), self.layout.secret_id(name)
        return self._open_session(AppRole(*files, self._declared.mounts.approle))

    def has_credential(self, role: str) -> bool:
        """Return whether this deployment has a credential of the operator's *role*."""
        return self.layout.secret_id(self._declared.server_name(role)).exists()

    @property
    def _apply_role(self) -> str:
        return self._declared.server_name(APPLY_JOB)

    @property
    def _declared(self) -> EnvironmentDeclaration:
        return self.declaration.environment(Environment.DEV)

    def _open_session(self, login: AuthMethod) -> Session:
        self.check_listeners("vault")
        guard, backoff = ListenerGuard(partial(self.check_listeners, "vault")), SharedBackoff()
        return Session(
            self.ports.vault_address,
            login,
            clock=backoff.clock,
            wrap_sender=lambda sender: backoff(guard(sender)),
            mounts=self._declared.mounts,
        )

    def check_listeners(self, *names: str) -> None:
        """Check that these servers of this deployment listen on their ports."""
        # Not the runtime's own method, because the accounts exist before the runtime.
        for name in names:
            self.servers.check_listener(name)

    def inputs(self) -> Inputs:
        """Return the input values: what the team shares, and what this machine's servers need.

        The folder ``given`` contains the values that an operator provides.
        """
        values = dev_services.shared_files(self.declaration).inputs()
        for each in self.services.values():
            values |= each.provided_values()
        for person in self._declared.people:
            password = read_or_create_password(self.person_password(person))
            values[f"auth/userpass/users/{person}"] = password
        return Inputs(values, self.layout.given)

    def person_password(self, person: str) -> Path:
        """Return the file with the password of *person*'s userpass login."""
        return self.layout.people / person

    def desired(self, inputs: Inputs) -> list[Resource]:
        """Return all resources that are declared for ``dev``, with the values of *inputs*."""
        from policies.render import render_policies  # noqa: PLC0415 (status needs no policy)

        declaration = dev_services.with_managers(self.declaration, self._accesses)
        policies = render_policies(declaration, Environment.DEV)
        return desired_resources(declaration, Environment.DEV, policies, inputs)

    def _bootstrap(self, token: Secret) -> None:
        for each in self.services.values():
            if each.access.database is not None:
                each.access.database.reset_passwords()
        with self._open_session(StaticToken(token)) as root:
            role, mounts = self._apply_role, self._declared.mounts
            folder = self.layout.credentials / role
            resources = apply_role_resources(self._declared, self.desired(self.inputs()), None)
            bootstrap(root, resources, folder, role, mounts)
        self.servers.mark_bootstrapped()

    def _apply(
        self, step: Step, selected: Sequence[ServiceDeployment]
    ) -> tuple[Plan, tuple[str, ...], frozenset[str]]:
        """Apply the declaration, and issue the missing credentials of this machine's roles.

        Returns the plan, the roles that got a credential, and the services with a moved URL.
        """
        with step("declaration applied"), self.operator() as operator:
            moved = frozenset(
                name
                for name, each in self.services.items()
                if update_ports(
                    operator,
                    each.scope,
                    each.provided_secrets(),
                    self._declared.mounts.kv,
                    read_former_urls(operator, self.declaration, each.access),
                )
            )
            reset_unknown_managers(operator, self._declared.mounts, self._accesses)
            plan = build_plan(operator, self.desired(self.inputs()))
            apply(operator, plan, lambda _change: None)
            planner = self._declared.server_name(PLAN_JOB)
            folders = {planner: self.layout.credentials / planner}
            for role in [role for each in selected for role in each.roles]:
                folders[role] = self.layout.service_credentials / role
            issued = tuple(
                role
                for role, folder in folders.items()
                if ensure_credential(operator, role, folder, self._declared.mounts)
            )
        return plan, issued, moved
