"""The local deployment: servers, declaration, credentials, agent, in that order."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.compile import Compiled, compile_file
from agent.hcl import AgentSettings, Delivery
from agent.hcl import render as render_agent
from agent.run import RunSettings
from app_integration.deliver import State, status_file
from app_integration.errors import ConfigRejected
from app_integration.files import write_private
from app_integration.login import AppRole, GivenToken
from app_integration.names import DATABASE_MOUNT, KV_MOUNT, Environment, Scope
from app_integration.secret import Secret
from app_integration.session import Session
from app_integration.settings import Settings, from_environment
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.fields import Endpoint
from vault.declare.load import TEMPLATES
from vault.reconcile.apply import apply
from vault.reconcile.credentials import APPLY_ROLE, bootstrap, ensure_credential
from vault.reconcile.desired import desired
from vault.reconcile.plan import Plan, make_plan, read_actual
from vault.reconcile.resources import Resource
from vault.reconcile.supply import Supply
from vault.runtime import binaries
from vault.runtime.embedded import Embedded, Status, quiet
from vault.runtime.files import private_folder, read_or_create_password
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes import Processes, python_program

AGENT: Final = "agent"
DELIVERY_SECONDS: Final = 30.0  # for the first config to arrive
PROJECT: Final = Path(__file__).resolve().parents[1]

Step = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Up:
    """What :meth:`Local.up` had to do.

    Attributes:
        started: names of the processes that it started.
        plan: the changes it applied.
        issued: roles that got a new credential.
    """

    started: tuple[str, ...]
    plan: Plan
    issued: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was different."""
        return bool(self.started or self.plan.changes or self.issued)


class Local:
    """One service's deployment on this machine, in the environment ``dev``."""

    def __init__(
        self, layout: Layout, ports: Ports, declaration: Declaration, service: str
    ) -> None:
        self.layout = layout
        self.ports = ports
        self.scope = Scope(service, Environment.DEV)
        self.servers = Embedded(layout, ports, self.scope)
        self.declaration = _located(declaration, self.scope, ports)

    @property
    def processes(self) -> Processes:
        """The background processes of the deployment."""
        return self.servers.processes

    def up(self, step: Step) -> Up:
        """Start what doesn't run, apply what isn't so, deliver the config. Idempotent.

        A start that fails stops what this call started.

        Raises:
            StrongroomError: with the failing step's last log lines.
        """
        started = self.servers.start(step)
        try:
            if started.root_token is not None:
                with step("root token replaced by strongroom-apply, and revoked"):
                    self._bootstrap(started.root_token)
            plan, issued = self._apply(step)
            agent_started = self._start_agent(step, restart=bool(issued))
        except BaseException:
            self._stop_again(started.servers)
            raise
        write_private(self.layout.dev_env, self._dev_env())
        agents = (AGENT,) if agent_started else ()
        return Up((*started.servers, *agents), plan, issued)

    def down(self, step: Step) -> tuple[str, ...]:
        """Stop everything; gives the names of what ran. Data stays."""
        others = [name for name in self.processes.names() if self.processes.find(name)]
        servers = {status.name for status in self.servers.status()}
        extra = tuple(name for name in others if name not in servers)
        for name in self.processes.names():
            if name not in servers:
                with step(f"{name} stopped"):
                    self.processes.stop(name)
        return (*extra, *self.servers.stop(lambda title: step(f"{title} stopped")))

    def reset(self) -> None:
        """Stop everything and erase data, keys, passwords and logs."""
        self.down(quiet)
        self.servers.reset()

    def status(self) -> tuple[Status, ...]:
        """The servers and the agent."""
        running = self.processes.find(AGENT)
        agent = Status(
            name=AGENT,
            title="Agent (delivers the config)",
            port=0,
            running=running is not None,
            pid=running.pid if running else None,
            since=running.since if running else None,
        )
        return (*self.servers.status(), agent)

    def operator(self, role: str = APPLY_ROLE) -> Session:
        """A session of the job *role*, whose credential this deployment keeps."""
        return Session(
            self.servers.vault_address,
            AppRole(self.layout.role_id(role), self.layout.secret_id(role)),
        )

    def service_settings(self) -> Settings:
        """What the service sees: the variables of ``dev.env``."""
        return from_environment(self.variables())

    def supply(self) -> Supply:
        """The values that this machine gives: addresses and passwords of its own servers."""
        given = {
            f"{KV_MOUNT}/{self.scope.secret(name)}": value
            for name, value in self.servers.given_secrets().items()
        }
        manager = self.servers.manager
        given[f"{DATABASE_MOUNT}/config/{self.scope}"] = Secret(
            manager.password_file.read_text(encoding="utf-8").strip()
        )
        for person in self.declaration.environment(Environment.DEV).people:
            password = read_or_create_password(self.person_password(person))
            given[f"auth/userpass/users/{person}"] = password
        return Supply(given)

    def person_password(self, person: str) -> Path:
        """The file that holds the password of *person*'s userpass login."""
        return self.layout.passwords / person

    def desired(self, supply: Supply) -> list[Resource]:
        """Everything declared for ``dev``."""
        policies = render_policies(self.declaration, Environment.DEV)
        return desired(self.declaration, Environment.DEV, policies, supply)

    def compiled(self) -> Compiled:
        """The service's config template, compiled for this deployment."""
        config = self.declaration.service(self.scope.service).config
        if config is None:
            raise ConfigRejected(f"{self.scope.service} declares no config")
        return compile_file(
            TEMPLATES / self.scope.service / config.template,
            scope=self.scope,
            secrets=self.declaration.secrets(self.scope),
            settings=self.declaration.settings(self.scope),
        )

    def variables(self) -> dict[str, str]:
        """What the application sees; no secret value among them."""
        return {
            "VAULT_ADDR": self.servers.vault_address,
            "ENVIRONMENT": "development",
            "STRONGROOM_SERVICE": self.scope.service,
            "STRONGROOM_ROLE_ID_FILE": str(self.layout.role_id(str(self.scope))),
            "STRONGROOM_SECRET_ID_FILE": str(self.layout.secret_id(str(self.scope))),
            "STRONGROOM_CONFIG": str(self.layout.config(self.scope.service)),
            "STRONGROOM_AUDIT": "each",
            "STRONGROOM_AUDIT_FILE": str(self.layout.logs / "access.jsonl"),
            "SECRETS_BACKEND": "vault",
            "STRONGROOM_STORE_PORT": str(self.ports.store),
        }

    def _bootstrap(self, token: Secret) -> None:
        with Session(self.servers.vault_address, GivenToken(token)) as root:
            resources = self.desired(self.supply())
            bootstrap(root, resources, self.layout.credentials / APPLY_ROLE)
        self.servers.mark_bootstrapped()

    def _apply(self, step: Step) -> tuple[Plan, tuple[str, ...]]:
        """Apply the declaration, and see that each role of this machine has a credential."""
        with step("declaration applied"), self.operator() as operator:
            resources = self.desired(self.supply())
            plan = make_plan(resources, read_actual(operator, resources))
            apply(operator, plan, lambda _change: None)
            roles = ("strongroom-plan", str(self.scope), self.scope.starter)
            issued = tuple(
                role
                for role in roles
                if ensure_credential(operator, role, self.layout.credentials / role)
            )
        return plan, issued

    def _start_agent(self, step: Step, *, restart: bool) -> bool:
        """Compile, write the configuration, start, wait for the delivery; False when it ran."""
        changed = self._write_agent_files()
        running = self.processes.find(AGENT)
        if running and not changed and not restart:
            return False
        with step("agent started, config delivered"):
            self.processes.stop(AGENT)
            config = self.layout.agent(self.scope) / "run.json"
            program = python_program(
                AGENT, "agent.run", "--config", str(config), folder=self.layout.agents, ports=()
            )
            began = datetime.now(tz=UTC).replace(microsecond=0)
            agent = self.processes.start(program)
            self.processes.wait_until(agent, lambda: self._delivered(began), DELIVERY_SECONDS)
        return True

    def _delivered(self, began: datetime) -> bool:
        """Whether a config arrived since *began*.

        Raises:
            ConfigRejected: it arrived and was refused; the reason names fields, never values.
        """
        path = status_file(self.layout.config(self.scope.service))
        if not path.exists():
            return False
        status = json.loads(path.read_text(encoding="utf-8"))
        if datetime.fromisoformat(status["when"]) < began:
            return False
        if status["state"] == State.REFUSED:
            raise ConfigRejected(
                f"the rendered config was refused: {status['reason']}; "
                f"the agent's log: {self.processes.log(AGENT)}"
            )
        return True

    def _write_agent_files(self) -> bool:
        """Write what the agent reads; True when any of it is different from before."""
        folder = self.layout.agent(self.scope)
        private_folder(folder)
        private_folder(folder / "templates")
        private_folder(self.layout.config(self.scope.service).parent)
        template = folder / "templates" / f"{self.layout.config(self.scope.service).name}.ctmpl"
        settings = self._agent_settings(template)
        files = {
            template: self.compiled().text,
            folder / "agent.hcl": render_agent(settings),
            folder / "run.json": self._run_settings(settings).to_json(),
        }
        # A list: each file is written, also after one that differed.
        return any([_replace(path, text) for path, text in files.items()])  # noqa: C419

    def _agent_settings(self, template: Path) -> AgentSettings:
        config = self.declaration.service(self.scope.service).config
        folder = self.layout.agent(self.scope)
        return AgentSettings(
            scope=self.scope,
            vault_addr=self.servers.vault_address,
            role_id_file=self.layout.role_id(str(self.scope)),
            secret_id_file=folder / "secret-id",
            python=Path(sys.executable),
            deliveries=(
                Delivery(
                    template=template,
                    staging=self.layout.staged_config(self.scope.service),
                    live=self.layout.config(self.scope.service),
                    model=config.model if config else "",
                ),
            ),
            render_interval=self.declaration.environment(Environment.DEV).agent.render_interval,
        )

    def _run_settings(self, settings: AgentSettings) -> RunSettings:
        return RunSettings(
            starter=Settings(
                scope=self.scope,
                vault_addr=settings.vault_addr,
                role_id_file=self.layout.role_id(self.scope.starter),
                secret_id_file=self.layout.secret_id(self.scope.starter),
            ),
            program=binaries.openbao(),
            agent_config=self.layout.agent(self.scope) / "agent.hcl",
            secret_id_file=settings.secret_id_file,
            python=settings.python,
            working_directory=PROJECT,
            deliveries=settings.deliveries,
        )

    def _stop_again(self, servers: tuple[str, ...]) -> None:
        for name in (AGENT, *servers) if servers else ():
            self.processes.stop(name)

    def _dev_env(self) -> str:
        lines = (f"{name}={shlex.quote(value)}" for name, value in self.variables().items())
        header = (
            "# Variables of the local deployment; no secret value. set -a; . .strongroom/dev.env"
        )
        return "\n".join([header, *lines, ""])


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


def _replace(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_private(path, text)
    return True
