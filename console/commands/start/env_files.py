"""Imports and exports of ``.env`` files, and the command ``export-env``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt

from app_integration import settings
from app_integration.client import Client
from app_integration.names import Environment
from app_integration.observability.audit_log import AuditLog
from app_integration.settings import Settings
from console.options import Env, OnlyService, Root
from console.target.environment_plan import apply_changed_declaration
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_operator_session
from console.target.target import Target, open_target
from console.views.questions import has_terminal
from vault.declare import counts
from vault.declare.server_names import APPLY_JOB
from vault.dotenv import export as dotenv_export
from vault.dotenv import import_ as dotenv_import
from vault.dotenv import parse, swap
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import declared_variables
from vault.dotenv.deployment_secrets import Provided
from vault.dotenv.kinds import Ask
from vault.dotenv.plan import ImportPlan, build_import_plan
from vault.dotenv.problems import Problems
from vault.dotenv.proof import ReadSecret, service_reader
from vault.reconcile.resources.ownership import Owner

if TYPE_CHECKING:
    from local.deployment import LocalDeployment

out = Console(soft_wrap=True)

#: Letter of each answer to the question for the kind of a variable. All of them begin with an s.
_LETTERS: Final = {"s": Kind.SECRET.value, "t": Kind.SETTING.value, "k": Kind.SKIP.value}


class EnvFiles:
    """Imports and exports of ``.env`` files for one service in one environment."""

    def __init__(self, target: Target, service: str, console: Console) -> None:
        self._target = target
        self._scope = target.scope(service)
        self._console = console

    def plan(self, file: parse.DotenvFile, choices: Choices, ask: Ask | None = None) -> ImportPlan:
        """Plan the import of *file* into the declared service.

        If the kind of a variable is unclear, ask, provided that standard input is a terminal.
        """
        declared = declared_variables(self._target.declaration, self._scope)
        ask = ask or (self.ask_kind if has_terminal() else None)
        problems = Problems()
        provided = self._provided().with_mail_of(file) if self._local else None
        plan = problems.attempt(lambda: build_import_plan(file, declared, choices, ask, provided))
        has_secrets = plan is None or plan.has_secrets
        problems.attempt(lambda: swap.check(file, has_secrets=has_secrets))
        if plan is None or problems:
            raise problems.error()
        return plan

    def import_(self, plan: ImportPlan, deliver: Callable[[], None] = lambda: None) -> None:
        """Carry out the import."""
        with self.open_import(deliver) as opened:
            dotenv_import.run(plan, opened, self.show)

    @contextmanager
    def open_import(
        self, deliver: Callable[[], None] = lambda: None
    ) -> Iterator[dotenv_import.ImportTarget]:
        """Yield the declaration of the service, and the server with an operator's session."""
        repository = self._target.checkout.repository
        with (
            open_operator_session(self._target, APPLY_JOB) as operator,
            self.reader() as read,
        ):
            yield dotenv_import.ImportTarget(
                repository.declaration / "services" / f"{self._scope.service}.yaml",
                operator,
                partial(apply_changed_declaration, self._target, operator, self.show),
                read,
                Owner.of(self._target.declared),
                repository.check,
                deliver,
                self._settings,
            )

    def _settings(self) -> Mapping[str, str | int | bool]:
        """Return the settings of the service, if its servers are those of this machine.

        The import has declared some of them.
        """
        if not self._local:
            return {}
        return self._target.reread().local_deployment().declaration.settings(self._scope)

    def finish_import(self, file: Path) -> None:
        """Delete the backup that the import of *file* made.

        Before that, compare each secret with the server's value, and check that each other variable
        is declared or in the new file. Without a backup, do nothing.
        """
        declared = declared_variables(self._target.declaration, self._scope)
        with self.reader() as read:
            swap.finish(file, declared, read, self.show, self._provided())

    def export(self, path: Path, reason: str) -> None:
        """Write the current values to a private file, and record the export."""
        declaration = self._local.declaration if self._local else self._target.declaration
        with self._open() as (read, audit):
            exported = dotenv_export.export(
                declaration, self._scope, read=read, audit=audit, path=path, reason=reason
            )
        count = counts.render(len(exported.secrets), "secret")
        self.show(f"wrote {count} and the settings to {exported.path}")
        for name in exported.missing:
            self.show(f"{name} has no value")

    @contextmanager
    def reader(self) -> Iterator[ReadSecret]:
        """Open a session with the service's own login, and yield a function that reads secrets."""
        with self._open() as (read, _):
            yield read

    @contextmanager
    def _open(self) -> Iterator[tuple[ReadSecret, AuditLog]]:
        """Open a session of the service, and the log that gets a record of each access."""
        if self._local:
            self._local.check_listeners("vault")
        service = self._service_settings
        with closing(Client(service)) as client:
            audit = AuditLog(self._scope, client.open_audit_sink())
            yield service_reader(client.session, self._scope, audit, service.mounts), audit

    def _provided(self) -> Provided:
        """Return the secrets that the local deployment provides; none in another environment."""
        local = self._local
        if not local:
            return Provided()
        access = local.service(self._scope.service).access
        if local.has_credential(APPLY_JOB):
            return Provided(access.provided_secrets())
        return Provided(dict.fromkeys(access.provided_names))

    @cached_property
    def _local(self) -> LocalDeployment | None:
        return self._target.local_deployment() if self._target.is_local else None

    @cached_property
    def _service_settings(self) -> Settings:
        if self._local:
            return self._local.service(self._scope.service).settings()
        self._target.require_vault()
        return settings.from_environment()

    def ask_kind(self, variable: str, reason: str) -> str:
        """Ask for the kind of an unclear variable, by a word or its letter."""
        try:
            chosen = Prompt.ask(
                f"{escape(variable)}: {escape(reason)}. Is it a secret (s), a setting (t), or to "
                "skip (k)",
                choices=[*_LETTERS, *_LETTERS.values()],
                show_choices=False,
                console=self._console,
            )
            return _LETTERS.get(chosen, chosen)
        except KeyboardInterrupt:
            raise typer.Abort from None

    def show(self, line: str) -> None:
        """Print *line*."""
        self._console.print(escape(line), highlight=False)


def export_env(
    reason: Annotated[str, typer.Option(help="why you export; it is recorded")],
    service: OnlyService = None,
    env: Env = Environment.DEV,
    file: Annotated[Path, typer.Option("--out", help="file to write")] = Path(".env.rollback"),
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write the current values to a private .env file for a rollback, and record that."""
    target = open_target(env, root)
    EnvFiles(target, target.find_scope(service).service, out).export(file, reason)
