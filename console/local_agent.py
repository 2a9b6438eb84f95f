"""Agent of the local deployment: its files, its start, and the check of its delivery."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from agent.auto_auth import AppRoleAutoAuth, auto_auth_from_declaration
from agent.compiler.compile import CompiledTemplate, compile_file
from agent.config_file import AgentSettings, Delivery, render_agent_config
from agent.run_settings import RunSettings
from app_integration._internal.private_file import write_private
from app_integration.config.deliver import State, read_status, status_file
from app_integration.config.deliver import Status as DeliveryStatus
from app_integration.errors import ConfigRejected
from app_integration.names import Scope
from app_integration.settings import Settings
from console.steps import Step
from vault.declare.declaration import Declaration
from vault.declare.load import TEMPLATES
from vault.declare.schema.model import Config
from vault.runtime.files import ensure_private_folder
from vault.runtime.layout import Layout
from vault.runtime.processes import binaries
from vault.runtime.runtime import AgentHost

PROJECT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class ConfigState:
    """State of a service's config file, and of its last delivery.

    Attributes:
        live: The file that the service reads.
        since: Time when it was written, or None if it does not exist.
        last: Status of the last delivery, or None if there was none.

    """

    live: Path
    since: datetime | None
    last: DeliveryStatus | None


class LocalAgent:
    """Agent of one service, on a deployment whose server runs at *address*.

    *config* is the declaration of the service's config file. *host* runs the agent. If it is None,
    the runtime runs the agent itself, and only :meth:`compile_template` and
    :meth:`read_config_state` are of use.
    """

    def __init__(
        self,
        layout: Layout,
        scope: Scope,
        declaration: Declaration,
        config: Config,
        host: AgentHost | None,
        address: str,
    ) -> None:
        self._layout = layout
        self._scope = scope
        self._declaration = declaration
        self._config = config
        self._host = host
        self._address = address

    def compile_template(self) -> CompiledTemplate:
        """Compile the service's config template for this deployment.

        Raises:
            TemplateRejected: If the template cannot be compiled.

        """
        return compile_file(
            TEMPLATES / self._scope.service / self._config.template,
            scope=self._scope,
            secrets=self._declaration.secrets(self._scope),
            settings=self._declaration.settings(self._scope),
            adopted=self._declaration.adopted(self._scope),
        )

    def read_config_state(self) -> ConfigState:
        """Return the state of the service's config file."""
        live = self._layout.config(self._scope.service)
        try:
            since = datetime.fromtimestamp(live.stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            since = None
        return ConfigState(live, since, read_status(live))

    def deliver(self, step: Step) -> bool:
        """Start an agent on the current files, and wait until it delivers.

        A fingerprint of the files is stored after the delivery. So if a start is killed before
        that, the next call starts the agent again.

        Args:
            step: Shows the start.

        Returns:
            False if the agent was running on these files already, or if the runtime runs it.

        Raises:
            ConfigRejected: If the delivered config is rejected.
            StartFailed: If the agent exits, or does not deliver in time.

        """
        if self._host is None:
            return False
        files = self._agent_files()
        marker = self._layout.agent(self._scope) / "running-on"
        fingerprint = self._fingerprint(files)
        if self._host.status().running and _read(marker) == fingerprint:
            return False
        with step(self._host.start_message):
            self._host.stop()
            marker.unlink(missing_ok=True)
            self._write_files(files)
            self._host.start(self._layout.agent(self._scope) / "run.json", self._is_delivered)
            write_private(marker, fingerprint)
        return True

    def restart(self, step: Step) -> bool:
        """Restart the agent, because it does not notice a password that was rotated by hand.

        The delivered file stays until the agent delivers again.

        Args:
            step: Shows the start.

        Returns:
            False if the runtime runs the agent.

        Raises:
            ConfigRejected: If the delivered config is rejected.
            StartFailed: If the agent exits, or does not deliver in time.

        """
        if self._host is None:
            return False
        (self._layout.agent(self._scope) / "running-on").unlink(missing_ok=True)
        return self.deliver(step)

    def _write_files(self, files: Mapping[Path, str]) -> None:
        folder, live = self._layout.agent(self._scope), self._layout.config(self._scope.service)
        staged = self._layout.staged_config(self._scope.service)
        for each in (folder, folder / "templates", live.parent, staged.parent):
            ensure_private_folder(each)
        # Remove the results of an earlier agent, otherwise the wait would end with those.
        for leftover in (staged, status_file(live)):
            leftover.unlink(missing_ok=True)
        for path, text in files.items():
            write_private(path, text)

    def _is_delivered(self) -> bool:
        """Return whether the agent has delivered a config.

        Raises:
            ConfigRejected: If the config is rejected. The reason names fields, never values.

        """
        status = read_status(self._layout.config(self._scope.service))
        if status is None:
            return False
        if not status.state.is_live:
            failure = "was rejected" if status.state is State.REFUSED else "cannot be used yet"
            raise ConfigRejected(
                f"the rendered config {failure}: {status.reason}; change the setting, write the "
                "secret again with strongroom put, or fix the model, and run up again; "
                f"see the agent's log: {self._host.log_hint if self._host else ''}"
            )
        return True

    def _agent_files(self) -> dict[Path, str]:
        """Return the contents of the files that agent and supervisor read, by path."""
        folder = self._layout.agent(self._scope)
        template = folder / "templates" / f"{self._layout.config(self._scope.service).name}.ctmpl"
        settings = self._agent_settings(template)
        return {
            template: self.compile_template().text,
            folder / "agent.hcl": render_agent_config(settings),
            folder / "run.json": self._run_settings(settings).to_json(),
        }

    def _fingerprint(self, files: Mapping[Path, str]) -> str:
        """Return a digest of *files* and of the secret-id that starts the agent."""
        starter = self._layout.secret_id(self._scope.starter)
        texts = [*files.values(), starter.read_text(encoding="utf-8")]
        return sha256("\0".join(texts).encode()).hexdigest()

    def _agent_settings(self, template: Path) -> AgentSettings:
        environment = self._declaration.environment(self._scope.environment)
        folder = self._layout.agent(self._scope)
        return AgentSettings(
            scope=self._scope,
            vault_addr=self._address,
            login=auto_auth_from_declaration(
                environment.agent,
                AppRoleAutoAuth(self._layout.role_id(str(self._scope)), folder / "secret-id"),
            ),
            python=Path(sys.executable),
            deliveries=(
                Delivery(
                    template=template,
                    staging=self._layout.staged_config(self._scope.service),
                    live=self._layout.config(self._scope.service),
                    model=self._config.model,
                ),
            ),
            render_interval=environment.agent.render_interval,
        )

    def _run_settings(self, settings: AgentSettings) -> RunSettings:
        starter = self._scope.starter
        needs_secret_id = settings.login.method == AppRoleAutoAuth.method
        return RunSettings(
            starter=Settings(
                scope=self._scope,
                vault_addr=settings.vault_addr,
                role_id_file=self._layout.role_id(starter) if needs_secret_id else None,
                secret_id_file=self._layout.secret_id(starter) if needs_secret_id else None,
            ),
            wrap_ttl=self._declaration.environment(self._scope.environment).tokens.wrap_ttl,
            program=binaries.openbao_path(),
            agent_config=self._layout.agent(self._scope) / "agent.hcl",
            secret_id_file=self._layout.agent(self._scope) / "secret-id",
            python=settings.python,
            working_directory=PROJECT,
            deliveries=settings.deliveries,
        )


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
