"""Agent of one service of the local deployment: its files, and the check of its delivery."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from agent.auto_auth import AppRoleAutoAuth, auto_auth_from_declaration
from agent.config_file import AgentSettings, render_agent_config
from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_state import RunState, read_state
from app_integration._internal.private_file import write_private
from app_integration.config.confirmation import Health
from app_integration.config.delivery_status import read_status
from app_integration.config.reload import Reload
from app_integration.errors import ConfigRejected, ConfigurationError, StrongroomError
from app_integration.mounts import Mounts
from app_integration.names import Scope
from app_integration.settings import Auth, Settings
from local.files import ensure_private_folder
from local.layout import Layout
from local.processes import binaries
from local.runtime_interface import StartFailed
from vault.declare.declaration import Declaration
from vault.declare.schema.model import Config

if TYPE_CHECKING:
    from agent.compiler.template_compiler import CompiledTemplate


class ValuesMissing(StrongroomError):
    """Secrets of a template that have no value. The agent delivers the config once they have."""

    def __init__(self, scope: Scope, names: Collection[str]) -> None:
        put = f"strongroom put {min(names)} --service {scope.service} --env {scope.environment}"
        super().__init__(
            f"the config of {scope} is not delivered: no value for {', '.join(sorted(names))}; "
            f"write each, such as with: {put}; or move them from a .env file with import-env"
        )


class LocalAgent:
    """Agent of one service, on a deployment whose server runs at *address*.

    *config* is the declaration of the service's config file. The agents' supervisor starts the
    agent when its files appear, and again when they change.
    """

    def __init__(
        self,
        layout: Layout,
        scope: Scope,
        declaration: Declaration,
        config: Config,
        address: str,
    ) -> None:
        self._layout = layout
        self._scope = scope
        self._declaration = declaration
        self._config = config
        self._address = address

    @property
    def live(self) -> Path:
        """Return the config file that the service reads."""
        return self._layout.config(self._scope.service, self._config.file)

    @property
    def folder(self) -> Path:
        """Return the folder of the agent's files."""
        return self._layout.agent(self._scope)

    @property
    def template(self) -> Path:
        """Return the file of the compiled template."""
        return self.folder / "templates" / f"{self._config.file}.ctmpl"

    @property
    def has_files(self) -> bool:
        """Return whether the supervisor runs the agent, or will when it is started."""
        return (self.folder / "run.json").exists()

    def compile_template(self) -> CompiledTemplate:
        """Compile the service's config template for this deployment."""
        from agent.compiler.template_compiler import compile_declared  # noqa: PLC0415 (status needs no compiler)

        return compile_declared(self._declaration, self._scope, self._config)

    def write_files(self, *, is_forced: bool = False) -> str | None:
        """Write the agent's files, on which its supervisor starts it; return their generation.

        Nothing is written, and None returned, if the agent has delivered from the same files.
        ``run.json`` is written last, because the supervisor starts the agent when that file
        changes.
        """
        settings = self._agent_settings()
        files = {
            self.template: self.compile_template().file_text,
            self.folder / "agent.hcl": render_agent_config(settings),
        }
        digest = self._digest(files, settings)
        if not is_forced and self._has_delivered(digest):
            return None
        for each in (self.folder, self.template.parent, self.live.parent):
            ensure_private_folder(each)
        for path, text in files.items():
            write_private(path, text)
        # The random part makes each start a generation of its own.
        generation = f"{digest}.{secrets.token_hex(4)}"
        write_private(self.folder / "run.json", self._run_settings(settings, generation).to_json())
        return generation

    def remove(self) -> None:
        """Remove ``run.json``, so that the supervisor does not start the agent."""
        (self.folder / "run.json").unlink(missing_ok=True)

    def check_values(self, missing: Collection[str]) -> None:
        """Check that each secret in the template has a value.

        *missing* are secrets without one, as ``<service>/<environment>/<name>``.
        """
        needed = {need.path for need in self.compile_template().needs}
        prefix = f"{self._scope.service}/{self._scope.environment}/"
        names = [
            name.removeprefix(prefix)
            for name in missing
            if f"{self._mounts.kv}/data/{name}" in needed
        ]
        if names:
            raise ValuesMissing(self._scope, names)

    def is_delivered(self, generation: str) -> bool:
        """Return whether the agent has delivered a config from the files of *generation*.

        Raises an error if the config is rejected, or if the agent cannot be started on its files.
        """
        state, status = read_state(self.folder), read_status(self.live)
        if state is None or state.generation != generation:
            return False
        if state.state is RunState.FAILED:
            remedy = f"fix the cause and run up again; see {self._layout.logs / 'agent.log'}"
            raise StartFailed(f"agent of {self._scope}", state.reason or "it failed", remedy)
        if state.state is RunState.BLOCKED:
            raise ConfigurationError(
                f"the config of {self._scope} is not delivered: {state.reason}; then run up again"
            )
        if status is None:
            return False
        self.check_delivered()
        return True

    def check_delivered(self) -> None:
        """Check that the last delivery, if there was one, is in use."""
        status = read_status(self.live)
        if status is not None and not status.state.is_live:
            failure = "was rejected" if status.state.is_final else "cannot be used yet"
            raise ConfigRejected(
                f"the config of {self._scope} {failure}: {status.reason}; change the setting, "
                "write the secret again with strongroom put, or fix the model, and run up again; "
                f"see the agents' log: {self._layout.logs / 'agent.log'}"
            )

    def _has_delivered(self, digest: str) -> bool:
        state, status = read_state(self.folder), read_status(self.live)
        if state is None or status is None or not (self.has_files and self.live.exists()):
            return False
        is_current = state.generation.partition(".")[0] == digest
        is_started = state.state not in {RunState.FAILED, RunState.BLOCKED}
        return is_current and is_started and status.state.is_live

    def _digest(self, files: Mapping[Path, str], settings: AgentSettings) -> str:
        """Return a digest of *files*, the settings, and any secret-id that starts the agent."""
        run = self._run_settings(settings, "")
        starter = run.starter.secret_id_file
        credential = starter.read_text(encoding="utf-8") if starter else ""
        texts = [*files.values(), run.to_json(), credential]
        return sha256("\0".join(texts).encode()).hexdigest()

    def _agent_settings(self) -> AgentSettings:
        environment = self._declaration.environment(self._scope.environment)
        return AgentSettings(
            scope=self._scope,
            vault_addr=self._address,
            login=auto_auth_from_declaration(
                environment.agent,
                AppRoleAutoAuth(
                    self._layout.service_role_id(str(self._scope)),
                    self.folder / "secret-id",
                    self._mounts,
                ),
            ),
            files=(self._delivered.rendered,),
            render_interval=environment.agent.render_interval,
        )

    @property
    def _delivered(self) -> DeliveredFile:
        return DeliveredFile(
            template=self.template,
            staging=self._layout.staged_config(self._scope.service, self._config.file),
            live=self.live,
            model=self._config.model,
            reload=Reload.parse(self._config.reload),
            health=Health(
                self._config.health,
                self._config.within,
                self._config.settle,
                is_needed_before=True,
            ),
        )

    @property
    def _mounts(self) -> Mounts:
        return self._declaration.environment(self._scope.environment).mounts

    def _run_settings(self, settings: AgentSettings, generation: str) -> RunSettings:
        starter = self._scope.starter
        needs_secret_id = settings.login.method == AppRoleAutoAuth.method
        return RunSettings(
            starter=Settings(
                scope=self._scope,
                vault_addr=settings.vault_addr,
                role_id_file=self._layout.service_role_id(starter) if needs_secret_id else None,
                secret_id_file=self._layout.service_secret_id(starter) if needs_secret_id else None,
                auth=Auth(mount=self._mounts.approle),
            ),
            wrap_ttl=self._declaration.environment(self._scope.environment).tokens.wrap_ttl,
            program=binaries.openbao_path(),
            agent_config=self.folder / "agent.hcl",
            secret_id_file=self.folder / "secret-id",
            python=self._config.interpreter(self._declaration.project),
            working_directory=self._config.folder(self._declaration.project),
            deliveries=(self._delivered,),
            generation=generation,
        )
