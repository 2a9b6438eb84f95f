"""Settings of an agent that runs where its application does, from the declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.auto_auth import AppRoleAutoAuth, auto_auth_from_declaration
from agent.compiler.template_compiler import compile_declared
from agent.config_file import AgentSettings, render_agent_config
from agent.rendered_file import RenderedFile
from app_integration._internal.server_urls import address_variables
from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts
from app_integration.names import Environment, Scope
from vault.declare.application_variables import application_variables
from vault.declare.declaration import Declaration
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import Agent, Config, Deployment

#: Starts the agent at the first server that answers and is not sealed; if there is none, at that of
#: its configuration, so that its log says why it fails. The variables have these names in OpenBao
#: too, and the standbys answer as well.
_SCRIPT: Final = (
    "config=$1 VAULT_CACERT=$2; export VAULT_CACERT; shift 2; for address; do "
    'VAULT_CLIENT_TIMEOUT=5 VAULT_MAX_RETRIES=0 "$0" status -address="$address" >/dev/null 2>&1 && '
    'exec "$0" agent -config="$config" -address="$address"; done; exec "$0" agent -config="$config"'
)


def agent_command(
    program: str, config: Path, addresses: Sequence[str], cacert: Path | None
) -> list[str]:
    """Return the command that starts the agent.

    An agent takes one address. It exits in an outage, so with several each start chooses one.
    """
    if len(addresses) == 1:
        return [program, "agent", f"-config={config}"]
    return ["/bin/sh", "-c", _SCRIPT, program, str(config), str(cacert or ""), *addresses]


#: Name of the log of access records, with the ending of its file if it is not encrypted.
ACCESS_LOG: Final = "access.jsonl"
#: Name of the agent's configuration in the folder that a target is built in.
AGENT_CONFIG: Final = "agent.hcl"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths on the machine, or in the container, where the agent runs.

    The folder of *staging* must exist.
    """

    folder: Path
    staging: Path
    credentials: Path
    cacert: Path | None = None
    perms: str = "0600"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the declaration says about one service that runs elsewhere."""

    scope: Scope
    addresses: tuple[str, ...]
    mounts: Mounts
    agent: Agent
    deployment: Deployment
    application: Mapping[str, str]

    @property
    def needs_secret_id(self) -> bool:
        """Return whether it logs in with a stored credential."""
        return self.agent.login == AppRoleAutoAuth.method

    @property
    def variables(self) -> dict[str, str]:
        """Return what the SDK needs everywhere, as environment variables."""
        return {**self.application, **address_variables(self.addresses)}


@dataclass(frozen=True, slots=True)
class TargetSettings(ServiceSettings):
    """What the declaration says about one agent, the same for each target.

    *colour* tells several instances on one machine apart; None for the only one.
    """

    config: Config
    template: str
    audit_key: str | None = None
    colour: str | None = None
    database: Endpoint | None = None

    @property
    def instance(self) -> str:
        """Return the name of the instance, which is the service's if there is one only."""
        return f"{self.scope.service}-{self.colour}" if self.colour else self.scope.service

    def audit_variables(self, folder: Path) -> dict[str, str]:
        """Return the variables of encrypted access records; none if they are not encrypted."""
        if self.audit_key is None:
            return {}
        return {
            "STRONGROOM_AUDIT_KEY": self.audit_key,
            "STRONGROOM_AUDIT_FILE": str(folder / ACCESS_LOG),
        }

    def agent_files(self, places: Places) -> dict[str, str]:
        """Return the agent's configuration and its template, by their path in the built folder."""
        template = f"templates/{self.config.file}.ctmpl"
        approle = AppRoleAutoAuth(
            places.credentials / "role-id",
            places.credentials / "secret-id",
            self.mounts,
            is_wrapped=False,
        )
        settings = AgentSettings(
            scope=self.scope,
            vault_addr=self.addresses[0],
            login=auto_auth_from_declaration(self.agent, approle, places.cacert),
            files=(RenderedFile(places.folder / template, places.staging),),
            vault_cacert=places.cacert,
            render_interval=self.agent.render_interval,
            perms=places.perms,
        )
        return {AGENT_CONFIG: render_agent_config(settings), template: self.template}

    def agent_command(self, program: str, places: Places) -> list[str]:
        """Return the command that starts the agent, whose program is *program*."""
        config = places.folder / AGENT_CONFIG
        return agent_command(program, config, self.addresses, places.cacert)

    def watch_command(self, python: str, staging: Path, live: Path) -> list[str]:
        """Return the command that delivers the file and runs the application, up to ``--``."""
        return watch_command(self.config, python, staging, live)


def service_settings(declaration: Declaration, scope: Scope) -> ServiceSettings:
    """Return the settings of *scope*, where it runs."""
    environment = declaration.environment(scope.environment)
    deployment = declaration.deployment(scope)
    return ServiceSettings(
        scope=scope,
        addresses=declared_addresses(declaration, scope.environment),
        mounts=environment.mounts,
        agent=environment.agent,
        deployment=deployment,
        application=application_variables(declaration, scope),
    )


def declared_addresses(declaration: Declaration, environment: Environment) -> tuple[str, ...]:
    """Return the addresses of the server of *environment*, the preferred one first."""
    addresses = declaration.environment(environment).vault.addresses
    if not addresses:
        raise ConfigurationError(
            f"{environment} has no vault.address, so that its server cannot be reached from "
            f"elsewhere; declare one in environments/{environment}.yaml"
        )
    return addresses


def declared_config(declaration: Declaration, service: str) -> Config:
    """Return the file that *service* reads."""
    config = declaration.service(service).config
    if config is None:
        raise ConfigurationError(
            f"{service} has no config, so that it needs no agent: its application reads secrets by "
            "itself, with the units of docs/howto/Systemd.md or Compose.md, 'A service without a "
            f"config file'; to have a file delivered, declare one in services/{service}.yaml"
        )
    return config


def target_settings(declaration: Declaration, scope: Scope) -> TargetSettings:
    """Return the settings of the agent of *scope*."""
    settings = service_settings(declaration, scope)
    config = declared_config(declaration, scope.service)
    return TargetSettings(
        scope=settings.scope,
        addresses=settings.addresses,
        mounts=settings.mounts,
        agent=settings.agent,
        deployment=settings.deployment,
        application=settings.application,
        config=config,
        template=compile_declared(declaration, scope, config).file_text,
        audit_key=None if scope.environment.is_dev else declaration.audit_key(scope.service),
        database=declaration.deployment(declaration.database_owner(scope)).database,
    )


def watch_command(
    config: Config, python: str, staging: Path, live: Path, options: Sequence[str] = ()
) -> list[str]:
    """Return the command, up to ``--``."""
    command = [python, "-m", "app_integration", "deliver", "--watch", str(staging), *options]
    command += ["--live", str(live), "--model", config.model, "--reload", config.reload]
    if config.health is not None:
        command += ["--health", config.health]
    return [*command, "--settle", str(config.settle), "--within", str(config.within), "--"]


def image_python(config: Config) -> str:
    """Return the interpreter in an image: the declared one, if that is absolute."""
    return config.python if Path(config.python).is_absolute() else "python3"
