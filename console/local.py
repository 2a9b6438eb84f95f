"""The local deployment: servers, declaration, credentials, agent, in that order."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.auth.methods import AppRole, StaticToken
from app_integration.errors import ConfigRejected
from app_integration.names import DATABASE_MOUNT, KV_MOUNT, Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Settings, from_environment
from console.local_agent import Delivered, LocalAgent
from console.steps import Step
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.credentials import APPLY_ROLE, bootstrap, ensure_credential
from vault.reconcile.desired.desired import desired
from vault.reconcile.inputs import Inputs
from vault.reconcile.pacing import Pace
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.runtime.access import Access
from vault.runtime.embedded import Embedded
from vault.runtime.files import read_or_create_password
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes.agent import AGENT
from vault.runtime.runtime import Runtime, Servers, Status, quiet


@dataclass(frozen=True, slots=True)
class Up:
    """What :meth:`Local.up` had to do.

    Attributes:
        started: names of the processes that it started.
        plan: the changes it applied.
        issued: roles that got a new credential.
        has_lost_data: whether the secrets server had lost all that it held, keys included.

    """

    started: tuple[str, ...]
    plan: Plan
    issued: tuple[str, ...]
    has_lost_data: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was different."""
        return bool(self.started or self.plan.changes or self.issued or self.has_lost_data)


class Composed:
    """One service's deployment in the environment ``dev``, on whatever runs its servers."""

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        declaration: Declaration,
        service: str,
        servers: Callable[[Layout, Ports, Scope], Servers],
    ) -> None:
        self.layout = layout
        self.ports = ports
        self.scope = Scope(service, Environment.DEV)
        self.servers = servers(layout, ports, self.scope)
        self.access = Access(layout, ports, self.scope)
        self.declaration = _located(declaration, self.scope, ports)

    @cached_property
    def agent(self) -> LocalAgent | None:
        """The service's agent; None when it declares no config."""
        config = self.declaration.service(self.scope.service).config
        if config is None:
            return None
        return LocalAgent(
            self.layout,
            self.scope,
            self.declaration,
            config,
            self.servers.agent_host,
            self.access.vault_address,
        )

    def up(self, step: Step) -> Up:
        """Start what doesn't run, apply what isn't so, deliver the config. Idempotent.

        A start that fails stops what this call started. When the config was refused the servers
        stay: the value that is wrong is mended on them.

        Raises:
            ConfigRejected: the agent's config can't be used.
            StrongroomError: with the failing step's last log lines.

        """
        with self.servers.exclusive():
            return self._up(step)

    def _up(self, step: Step) -> Up:
        started = self.servers.start(step)
        write_private(self.layout.runtime, self.servers.name)
        try:
            if started.root_token is not None:
                with step("root token replaced by strongroom-apply, and revoked"):
                    self._bootstrap(started.root_token)
            for each in self.declaration.adopted(self.scope).values():
                self.access.database.let_manage(each.username)
            plan, issued = self._apply(step)
            delivered = self.agent is not None and self.agent.deliver(step)
        except ConfigRejected:
            raise
        except BaseException:
            self.servers.stop_started(started)
            raise
        write_private(self.layout.dev_env, self._dev_env())
        return Up(
            (*started.servers, *([AGENT] if delivered else [])), plan, issued, started.has_lost_data
        )

    def operator(self, role: str = APPLY_ROLE) -> Session:
        """A session of the job *role*, whose credential this deployment keeps."""
        return Session(
            self.access.vault_address,
            AppRole(self.layout.role_id(role), self.layout.secret_id(role)),
            through=Pace(),
        )

    def service_settings(self) -> Settings:
        """What the service sees: the variables of ``dev.env``."""
        return from_environment(self.variables())

    def supply(self) -> Inputs:
        """The values that this machine gives: addresses and passwords of its own servers.

        What only a person can give lies in the folder ``given``.
        """
        given = {
            f"{KV_MOUNT}/{self.scope.secret(name)}": value
            for name, value in self.access.given_secrets().items()
        }
        manager = self.access.manager
        given[f"{DATABASE_MOUNT}/config/{self.scope}"] = Secret(
            manager.password_file.read_text(encoding="utf-8").strip()
        )
        for person in self.declaration.environment(Environment.DEV).people:
            password = read_or_create_password(self.person_password(person))
            given[f"auth/userpass/users/{person}"] = password
        return Inputs(given, self.layout.given)

    def person_password(self, person: str) -> Path:
        """The file that holds the password of *person*'s userpass login."""
        return self.layout.passwords / person

    def desired(self, supply: Inputs) -> list[Resource]:
        """Everything declared for ``dev``."""
        policies = render_policies(self.declaration, Environment.DEV)
        return desired(self.declaration, Environment.DEV, policies, supply)

    def variables(self) -> dict[str, str]:
        """What the application sees; no secret value among them."""
        # An agent in a container delivers there: here, its file would be a copy that ages.
        delivered = {"STRONGROOM_CONFIG": str(self.layout.config(self.scope.service))}
        return {
            "VAULT_ADDR": self.access.vault_address,
            "ENVIRONMENT": "development",
            "STRONGROOM_SERVICE": self.scope.service,
            "STRONGROOM_ROLE_ID_FILE": str(self.layout.role_id(str(self.scope))),
            "STRONGROOM_SECRET_ID_FILE": str(self.layout.secret_id(str(self.scope))),
            **(delivered if self.servers.agent_host else {}),
            "STRONGROOM_AUDIT": "each",
            "STRONGROOM_AUDIT_FILE": str(self.layout.logs / "access.jsonl"),
            **self._audit_device(),
            "SECRETS_BACKEND": "vault",
            "STRONGROOM_STORE_PORT": str(self.ports.store),
        }

    def _audit_device(self) -> dict[str, str]:
        device = self.declaration.environment(Environment.DEV).vault.audit_device
        return {"STRONGROOM_AUDIT_DEVICE": device} if device else {}

    def _bootstrap(self, token: Secret) -> None:
        self.access.database.reset_manager()
        with Session(self.access.vault_address, StaticToken(token)) as root:
            resources = self.desired(self.supply())
            bootstrap(root, resources, self.layout.credentials / APPLY_ROLE)
        self.servers.mark_bootstrapped()

    def _apply(self, step: Step) -> tuple[Plan, tuple[str, ...]]:
        """Apply the declaration, and see that each role of this machine has a credential."""
        with step("declaration applied"), self.operator() as operator:
            resources = self.desired(self.supply())
            plan = build_plan(operator, resources)
            apply(operator, plan, lambda _change: None)
            roles = ("strongroom-plan", str(self.scope), self.scope.starter)
            issued = tuple(
                role
                for role in roles
                if ensure_credential(operator, role, self.layout.credentials / role)
            )
        return plan, issued

    def _dev_env(self) -> str:
        lines = (f"{name}={shlex.quote(value)}" for name, value in self.variables().items())
        header = (
            "# Variables of the local deployment; no secret value. set -a; . .strongroom/dev.env"
        )
        return "\n".join([header, *lines, ""])


class Local(Composed):
    """One service's deployment on this machine, in the environment ``dev``."""

    servers: Runtime

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        declaration: Declaration,
        service: str,
        runtime: Callable[[Layout, Ports, Scope], Runtime] = Embedded,
    ) -> None:
        super().__init__(layout, ports, declaration, service, runtime)

    def down(self, step: Step) -> tuple[str, ...]:
        """Stop everything; gives the names of what ran. What becomes of data, the runtime says."""
        if not self.layout.run.exists():
            return ()
        with self.servers.exclusive():
            agents = self.servers.agent_host
            running = (AGENT,) if agents and agents.status().running else ()
            if agents:
                with step(f"{AGENT} stopped"):
                    agents.stop()
            return running + self.servers.stop(lambda title: step(f"{title} stopped"))

    def restart_agent(self, step: Step) -> None:
        """Have the service's agent read everything anew, and wait until it has delivered.

        Raises:
            ConfigRejected: what it delivered was refused.
            StartFailed: it didn't deliver in time.

        """
        with self.servers.exclusive():
            if self.agent is not None and not self.agent.restart(step):
                with step("agent restarted"):
                    self.servers.restart_agent()

    def redeliver(self, step: Step) -> None:
        """Have the agent run on the declaration of now, and wait until it has delivered.

        Raises:
            ConfigRejected, StartFailed: as :meth:`restart_agent`.

        """
        if self.servers.agent_host is not None:
            self.up(step)
        elif self.agent is not None:
            with self.servers.exclusive(), step("agent restarted"):
                self.servers.restart_agent(self.agent.compiled().text)

    def reset(self) -> None:
        """Stop everything and erase data, keys, passwords and logs."""
        if not self.layout.root.exists():
            return
        with self.servers.exclusive():
            self.down(quiet)
            self.servers.reset()

    def status(self) -> tuple[Status, ...]:
        """The servers, and the agent when the service has one."""
        agents = self.servers.agent_host if self.agent else None
        return (*self.servers.status(), *([agents.status()] if agents else []))

    def last_delivery(self) -> Delivered | None:
        """What the service's delivered file is now; None for a service without one."""
        if self.agent is None:
            return None
        self.servers.sync_config()
        return self.agent.last_delivery()


def _located(declaration: Declaration, scope: Scope, ports: Ports) -> Declaration:
    """*declaration* with this machine's addresses in place of those in ``dev.yaml``."""
    known: Mapping[str, str | int | bool] = {"smtp-host": HOST, "smtp-port": ports.smtp}
    declared = declaration.service(scope.service).settings
    return declaration.with_vault(
        scope.environment, f"http://{HOST}:{ports.vault}"
    ).with_deployment(
        scope,
        database=Endpoint(HOST, ports.database),
        settings={name: value for name, value in known.items() if name in declared},
    )
