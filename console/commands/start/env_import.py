"""Command ``import-env``: from a ``.env`` file to a declared service that runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app_integration import names
from app_integration.names import Environment
from console.commands.start.authoring import Config, Description, Key, Owner
from console.commands.start.env_creation import CreationOptions, EnvCreation, describe, summarise
from console.commands.start.env_files import EnvFiles
from console.options import DryRun, Env, Root, Service
from console.scaffold.new_config import field_name
from console.steps import Steps
from console.target.local_folder import DEFAULT_ROOT
from console.target.local_start import startable_deployment
from console.target.target import Target, open_target
from console.views.questions import has_terminal
from local.services.application import SDK_HINT, find_frameworks, lacks_extra
from local.services.local_agent import ValuesMissing
from vault.declare.declaration import Declaration
from vault.declare.schema.model import ServiceDeclaration
from vault.dotenv import parse, swap
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind

#: Format of a config file → the line of its template that has a secret.
_LINES = {
    "json": '"{field}": {call},',
    "toml": "{field} = {call}",
    "dotenv": "{variable}={call}",
    "sh": "{variable}={call}",
}


def find_undelivered(
    service: ServiceDeclaration, new_secrets: Collection[str], templates: Path
) -> Iterator[str]:
    """Return a remark for each new secret, which no template of *service* can have yet."""
    if service.config is None:
        return
    template = templates / service.service / service.config.template
    for name in new_secrets:
        field, variable = field_name(name), names.variable_name(name)
        line = _LINES.get(service.config.format, "{field}: {call}")
        line = line.format(field=field, variable=variable, call=f'{{{{ secret("{name}") }}}}')
        yield (
            f"{name} is not in the config file: get_secret reads it, and the file gets it if you "
            f"add to {template}: {line}  and to {service.config.model}: {field}: SecretStr"
        )


out = Console(soft_wrap=True, highlight=False)


class EnvImport:
    """Import of a ``.env`` file into the service of *scope*, which may not be declared yet."""

    def __init__(
        self, target: Target, service: str, choices: Choices, options: CreationOptions
    ) -> None:
        self._target = target
        self._scope = target.scope(service)
        self._choices = choices
        self._options = options
        self._files = EnvFiles(target, service, out)

    def preview(self, path: Path) -> None:
        """Print what :meth:`run` would make of the file at *path*, and change nothing."""
        file, declaration = parse.read(path), self._target.declaration
        if self._is_new(declaration):
            plan = self._creation().preview(file, list(declaration.services))
        else:
            plan = self._files.plan(file, self._choices, lambda *_: Kind.SKIP)
        self._print(describe(plan, self._choices.skipped))
        swap.check(file, has_secrets=plan.has_secrets)

    def _is_new(self, declaration: Declaration) -> bool:
        return self._scope not in declaration.scopes(self._scope.environment)

    def _creation(self) -> EnvCreation:
        ask, place = self._files.ask_kind, (self._target, self._scope)
        return EnvCreation(*place, self._choices, self._options, ask, self._print)

    def run(self, path: Path) -> None:
        """Import the file at *path*.

        Each step can be repeated: after a failure or a kill, the same call continues.
        """
        file, declaration = parse.read(path), self._target.declaration
        is_new = self._is_new(declaration)
        if is_new:
            plan = self._creation().create(file)
            undelivered = []
            self._target = self._target.reread()  # because the service is declared now
            self._files = EnvFiles(self._target, self._scope.service, out)
        else:
            plan = self._files.plan(file, self._choices)
            service = declaration.service(self._scope.service)
            undelivered = list(
                find_undelivered(
                    service, plan.new_secrets, self._target.checkout.repository.templates
                )
            )
        is_prepared = self._prepare(is_new=is_new)
        self._files.import_(plan, self._deliver if is_prepared else lambda: None)
        self._print(f"\n{summarise(plan)}")
        for line in undelivered:
            self._print(f"note: {line}")
        if is_prepared or (self._options.is_confirmed and self._target.is_local):
            self._show(next(iter(plan.secrets), None), find_frameworks(path.absolute().parent))

    def _prepare(self, *, is_new: bool) -> bool:
        """Start the local deployment and set up the service if need be; return whether it did."""
        if not self._target.is_local:
            return False
        service = self._scope.service
        local = self._target.local_deployment()
        is_running = any(part.running for part in local.servers.status())
        if not is_new and is_running and local.is_set_up(service):
            return False
        if not (is_new or is_running or self._options.is_confirmed):
            if not has_terminal():
                return False  # the next step says how to start it
            typer.confirm("The local deployment does not run; start it?", default=True, abort=True)
        local = startable_deployment(self._target)
        for name, error in local.set_up(service, Steps(out)).failures.items():
            if name == service and not isinstance(error, ValuesMissing):
                raise error
            if name != service:
                self._print(f"note: {error}")
        return True

    def _deliver(self) -> None:
        """Wait until the config of the service is in use."""
        local = self._target.reread().local_deployment()
        if local.servers.agent_host is None:
            local.redeliver(self._scope.service, Steps(out))
            return
        failures = local.set_up(self._scope.service, Steps(out)).failures
        if self._scope.service in failures:
            raise failures[self._scope.service]

    def _show(self, secret: str | None, frameworks: Collection[str]) -> None:
        """Print what the service has, each feature in use, and Python that uses them."""
        local = self._target.reread().local_deployment()
        deployed = local.service(self._scope.service)
        declared = local.declaration.service(self._scope.service)
        if deployed.agent:
            self._print(f"config file: {deployed.agent.live}")
        if declared.config:
            python = declared.config.interpreter(local.declaration.project)
            for function, extra, needed in (
                ("database_engine", "database", declared.database),
                ("redis_client", "redis", declared.redis),
            ):
                if needed and lacks_extra(python, extra):
                    self._print(
                        f"note: for {function}, install strongroom-sdk[{extra}] for {python}"
                    )
        self._print(SDK_HINT)
        from console.commands.every_day.shown_deployment import show_use  # noqa: PLC0415 (only for a service of this machine)

        show_use(out, local, deployed, secret, frameworks)

    def _print(self, line: str) -> None:
        out.print(line, markup=False)


def import_env(
    file: Annotated[Path, typer.Argument(help="the .env file")],
    service: Service,
    env: Env = Environment.DEV,
    root: Root = DEFAULT_ROOT,
    secret: Annotated[list[str] | None, typer.Option(help="this variable is a secret")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="this one is a plain setting")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="leave this one in the file")] = None,
    finish: Annotated[bool, typer.Option("--finish", help="delete the old file's backup")] = False,
    dry_run: DryRun = False,
    create: Annotated[
        bool, typer.Option("--create", help="in dev: declare a new service, and start the servers")
    ] = False,
    owner: Owner = None,
    description: Description = None,
    key: Key = None,
    config: Config = None,
) -> None:
    """Move the secrets of a .env file to the server, and prove that they arrived."""
    target = open_target(env, root)
    if finish:
        EnvFiles(target, service, out).finish_import(file)
        return
    choices = Choices(*(frozenset(each or ()) for each in (secret, setting, skip)))
    options = CreationOptions(create, owner, description, key or (), config)
    importing = EnvImport(target, service, choices, options)
    if dry_run:
        importing.preview(file)
    else:
        importing.run(file)
