"""Delivery of a service's config on a local deployment on AWS: a process of the SDK, no agent."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from agent.compiler.sdk_skeleton import build_skeleton
from agent.compiler.template_compiler import compile_declared
from app_integration._internal.private_file import write_private
from app_integration.config.delivery_status import read_status, status_file
from app_integration.errors import ConfigRejected, ConfigurationError
from app_integration.rendering.skeleton import SUFFIX, Skeleton
from local.aws.service import LocalAwsService
from local.files import ensure_private_folder
from local.processes.program import Program
from local.runtimes.moto_runtime import DELIVERY, MotoRuntime
from local.services.application import check_delivery
from vault.declare.load import display_path
from vault.declare.schema.model import Config
from vault.progress import Step

#: Seconds between two readings of the secrets. moto is on this machine, so they cost nothing.
EVERY: Final = 2
#: Seconds until a config must have been delivered.
DELIVERY_SECONDS: Final = 30.0


class LocalAwsDelivery:
    """Delivery of one service's config file."""

    def __init__(self, service: LocalAwsService, config: Config, live: Path) -> None:
        self.live = live
        self._service = service
        self._config = config
        layout = service.access.layout
        self._folder = layout.agent(service.scope)
        self._skeleton = self._folder / f"{config.file}{SUFFIX}"
        self._staging = layout.staged_config(service.scope.service, config.file)
        self._fault: ConfigurationError | None = None

    def forget(self) -> None:
        """Remove what was delivered, because its secrets are those of a server that is gone."""
        for path in (self.live, self._staging):
            path.unlink(missing_ok=True)

    def start(self, servers: MotoRuntime) -> None:
        """Start the process, which was stopped.

        It is not started on an interpreter that cannot deliver, which :meth:`wait` raises, so that
        the other services get their config.
        """
        for folder in (self._folder, self.live.parent, self._staging.parent):
            ensure_private_folder(folder)
        write_private(self._skeleton, self._compile())
        status_file(self.live).unlink(missing_ok=True)  # so that the wait is for the next one
        self._fault = self._find_fault()
        if self._fault is None:
            servers.processes.start(self._program())

    def find_missing(self, missing: Collection[str]) -> list[str]:
        """Return those secrets of the template that have no value.

        *missing* has them as ``<service>/<environment>/<name>``.
        """
        lines, scope = Skeleton.read(self._skeleton).lines, self._service.scope
        return [name for name in lines if scope.secret(name) in missing]

    def wait(self, servers: MotoRuntime, step: Step) -> None:
        """Wait until the config is delivered."""
        service = self._service.scope.service
        with step(f"config of {service} delivered"):
            if self._fault is not None:
                raise self._fault
            name = f"{DELIVERY}{service}"
            servers.processes.wait_for_delivery(name, self._is_delivered, DELIVERY_SECONDS)

    def _find_fault(self) -> ConfigurationError | None:
        """Return why the application's interpreter cannot deliver, or None."""
        project = self._service.declaration.project
        python, folder = self._config.interpreter(project), self._config.folder(project)
        try:
            check_delivery(python, folder, f"services/{self._service.scope.service}.yaml")
        except ConfigurationError as error:
            scope = self._service.scope
            return ConfigurationError(f"the config of {scope} is not delivered: {error}")
        return None

    def _is_delivered(self) -> bool:
        status = read_status(self.live)
        if status is None:
            return False
        if not status.state.is_live and status.state.is_final:
            raise ConfigRejected(
                f"the config of {self._service.scope} was rejected: {status.reason}; change the "
                "setting or the secret, or fix the model, and run up again"
            )
        return status.state.is_live

    def _compile(self) -> str:
        service, config = self._service, self._config
        compiled = compile_declared(service.declaration, service.scope, config)
        root = service.declaration.template_root / service.scope.service
        template = display_path(root / config.template)
        return build_skeleton(compiled, service.scope, template, config.file).to_json()

    def _program(self) -> Program:
        project = self._service.declaration.project
        paths = {
            "--watch": self._staging,
            "--live": self.live,
            "--from-sdk": self._skeleton,
        }
        options = [text for option, path in paths.items() for text in (option, str(path))]
        command = (
            *(str(self._config.interpreter(project)), "-m", "app_integration", "deliver"),
            *(*options, "--model", self._config.model, "--every", str(EVERY)),
            # No trial, which a kill would leave undecided: the model is the whole check.
            *("--settle", "0"),
        )
        return Program(
            name=f"{DELIVERY}{self._service.scope.service}",
            command=command,
            folder=self._config.folder(project),
            environment=self._service.variables(),
        )
