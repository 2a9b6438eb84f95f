"""The local deployment: servers, declaration, credentials, agent, in that order."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
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
from vault.runtime.program import Program

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
        with self.servers.exclusive():
            return self._up(step)

    def _up(self, step: Step) -> Up:
        started = self.servers.start(step)
        try:
            if started.root_token is not None:
                with step("root token replaced by strongroom-apply, and revoked"):
                    self._bootstrap(started.root_token)
            plan, issued = self._apply(step)
            delivered = self._deliver(step)
        except BaseException:
            for name in started.servers:
                self.processes.stop(name)
            raise
        write_private(self.layout.dev_env, self._dev_env())
        return Up((*started.servers, *([AGENT] if delivered else [])), plan, issued)

    def down(self, step: Step) -> tuple[str, ...]:
        """Stop everything; gives the names of what ran. Data stays."""
        if not self.layout.run.exists():
            return ()
        with self.servers.exclusive():
            running = tuple(name for name in self.processes.names() if self.processes.find(name))
            servers = {status.name for status in self.servers.status()}
            for name in sorted({*self.processes.names()} - servers):
                with step(f"{name} stopped"):
                    self.processes.stop(name)
            self.servers.stop(lambda title: step(f"{title} stopped"))
        return running

    def reset(self) -> None:
        """Stop everything and erase data, keys, passwords and logs."""
        if not self.layout.root.exists():
            return
        with self.servers.exclusive():
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

    def _deliver(self, step: Step) -> bool:
        """See that an agent runs on today's files and has delivered; False when one does.

        What it runs on is remembered only once it has delivered, so a start that was killed in
        between is made good by the next.
        """
        folder, files = self.layout.agent(self.scope), self._agent_files()
        marker = folder / "running-on"
        wanted = self._fingerprint(files)
        if self.processes.find(AGENT) and _read(marker) == wanted:
            return False
        with step("agent started, config delivered"):
            self.processes.stop(AGENT)
            self._make_folders()
            # What an earlier agent rendered and nobody delivered is not what is waited for.
            live = self.layout.config(self.scope.service)
            for leftover in (
                marker,
                self.layout.staged_config(self.scope.service),
                status_file(live),
            ):
                leftover.unlink(missing_ok=True)
            for path, text in files.items():
                write_private(path, text)
            try:
                agent = self.processes.start(self._agent_program())
                self.processes.wait_until(agent, self._delivered, DELIVERY_SECONDS)
            except BaseException:
                self.processes.stop(AGENT)
                raise
            write_private(marker, wanted)
        return True

    def _delivered(self) -> bool:
        """Whether a config arrived.

        Raises:
            ConfigRejected: it arrived and was refused; the reason names fields, never values.
        """
        told = _read(status_file(self.layout.config(self.scope.service)))
        if told is None:
            return False
        status = json.loads(told)
        if status["state"] == State.REFUSED:
            raise ConfigRejected(
                f"the rendered config was refused: {status['reason']}; "
                f"the agent's log: {self.processes.log(AGENT)}"
            )
        return True

    def _agent_files(self) -> dict[Path, str]:
        """What the agent and its supervisor read, by path."""
        folder = self.layout.agent(self.scope)
        template = folder / "templates" / f"{self.layout.config(self.scope.service).name}.ctmpl"
        settings = self._agent_settings(template)
        return {
            template: self.compiled().text,
            folder / "agent.hcl": render_agent(settings),
            folder / "run.json": self._run_settings(settings).to_json(),
        }

    def _fingerprint(self, files: Mapping[Path, str]) -> str:
        """A digest of *files* and of the credential that starts the agent."""
        starter = self.layout.secret_id(self.scope.starter)
        texts = [*files.values(), starter.read_text(encoding="utf-8")]
        return sha256("\0".join(texts).encode()).hexdigest()

    def _make_folders(self) -> None:
        folder = self.layout.agent(self.scope)
        config = self.layout.config(self.scope.service).parent
        for each in (folder, folder / "templates", config, config / "staging"):
            private_folder(each)

    def _agent_program(self) -> Program:
        config = self.layout.agent(self.scope) / "run.json"
        arguments = ("--config", str(config))
        return python_program(AGENT, "agent.run", *arguments, folder=self.layout.agents, ports=())

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


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
