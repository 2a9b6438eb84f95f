"""Deployment of one service: servers, declaration, credentials and agent, set up in that order."""

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
from console.local_agent import LocalAgent
from console.steps import Step
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.credentials import APPLY_ROLE, bootstrap, ensure_credential
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.reconcile.shared_backoff import SharedBackoff
from vault.runtime.access import Access
from vault.runtime.files import read_or_create_password
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes.agent import AGENT
from vault.runtime.runtime import Servers


@dataclass(frozen=True, slots=True)
class UpResult:
    """Changes that :meth:`ServiceDeployment.up` made.

    Attributes:
        started: Names of the processes that it started.
        plan: The changes that it applied.
        issued: Roles that got a new credential.
        has_lost_data: Whether the secrets server had lost all its data, keys included.

    """

    started: tuple[str, ...]
    plan: Plan
    issued: tuple[str, ...]
    has_lost_data: bool = False

    @property
    def has_changes(self) -> bool:
        """Return whether anything was changed."""
        return bool(self.started or self.plan.changes or self.issued or self.has_lost_data)


class ServiceDeployment:
    """Deployment of one service in the environment ``dev``, on any runtime.

    *servers* builds the runtime.
    """

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
        self.declaration = _with_local_addresses(declaration, self.scope, ports)

    @cached_property
    def agent(self) -> LocalAgent | None:
        """Return the service's agent, or None if the service declares no config."""
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

    def up(self, step: Step) -> UpResult:
        """Start the servers, apply the declaration, and deliver the config.

        Steps that are already done are skipped. If a step fails, the servers that this call
        started are stopped. If only the config is rejected they stay, because the operator fixes
        the wrong value on them.

        Args:
            step: Shows each step.

        Raises:
            ConfigRejected: If the rendered config is rejected.
            StrongroomError: If another step fails. An error of a process contains the last lines
                of its log.

        """
        with self.servers.exclusive():
            return self._up(step)

    def _up(self, step: Step) -> UpResult:
        started = self.servers.start(step)
        write_private(self.layout.runtime, self.servers.name)
        try:
            if started.root_token is not None:
                with step("root token replaced by strongroom-apply, and revoked"):
                    self._bootstrap(started.root_token)
            for each in self.declaration.adopted(self.scope).values():
                self.access.database.allow_password_changes(each.username)
            plan, issued = self._apply(step)
            delivered = self.agent is not None and self.agent.deliver(step)
        except ConfigRejected:
            raise
        except BaseException:
            self.servers.stop_started(started)
            raise
        write_private(self.layout.dev_env, self._dev_env())
        names = (*started.servers, *([AGENT] if delivered else []))
        return UpResult(names, plan, issued, started.has_lost_data)

    def operator(self, role: str = APPLY_ROLE) -> Session:
        """Open a session with this deployment's credential of the operator's *role*."""
        return Session(
            self.access.vault_address,
            AppRole(self.layout.role_id(role), self.layout.secret_id(role)),
            wrap_sender=SharedBackoff(),
        )

    def service_settings(self) -> Settings:
        """Return the settings that the service reads from the variables of ``dev.env``."""
        return from_environment(self.variables())

    def inputs(self) -> Inputs:
        """Return the input values: URLs and passwords of the local servers, and people's passwords.

        The folder ``given`` contains the values that an operator provides.
        """
        values = {
            f"{KV_MOUNT}/{self.scope.secret(name)}": value
            for name, value in self.access.provided_secrets().items()
        }
        manager = self.access.manager
        values[f"{DATABASE_MOUNT}/config/{self.scope}"] = Secret(
            manager.password_file.read_text(encoding="utf-8").strip()
        )
        for person in self.declaration.environment(Environment.DEV).people:
            password = read_or_create_password(self.person_password(person))
            values[f"auth/userpass/users/{person}"] = password
        return Inputs(values, self.layout.given)

    def person_password(self, person: str) -> Path:
        """Return the file with the password of *person*'s userpass login."""
        return self.layout.passwords / person

    def desired(self, inputs: Inputs) -> list[Resource]:
        """Return all resources that are declared for ``dev``, with the values of *inputs*."""
        policies = render_policies(self.declaration, Environment.DEV)
        return desired_resources(self.declaration, Environment.DEV, policies, inputs)

    def variables(self) -> dict[str, str]:
        """Return the application's variables, none of which is a secret value."""
        # If the agent runs in a container, its file on this machine is a copy, and not up to date.
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
        self.access.database.reset_passwords()
        with Session(self.access.vault_address, StaticToken(token)) as root:
            resources = self.desired(self.inputs())
            bootstrap(root, resources, self.layout.credentials / APPLY_ROLE)
        self.servers.mark_bootstrapped()

    def _apply(self, step: Step) -> tuple[Plan, tuple[str, ...]]:
        """Apply the declaration, and issue the missing credentials of this machine's roles."""
        with step("declaration applied"), self.operator() as operator:
            resources = self.desired(self.inputs())
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


def _with_local_addresses(declaration: Declaration, scope: Scope, ports: Ports) -> Declaration:
    """Return *declaration* with this machine's addresses instead of those in ``dev.yaml``."""
    known: Mapping[str, str | int | bool] = {"smtp-host": HOST, "smtp-port": ports.smtp}
    declared = declaration.service(scope.service).settings
    return declaration.with_vault(
        scope.environment, f"http://{HOST}:{ports.vault}"
    ).with_deployment(
        scope,
        database=Endpoint(HOST, ports.database),
        settings={name: value for name, value in known.items() if name in declared},
    )
