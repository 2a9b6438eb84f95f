"""``import-env`` and ``export-env``: what they need of a deployment, and the questions they ask."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt

from app_integration import names, settings
from app_integration.names import Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.audit_sinks import FileSink, stderr_sink
from app_integration.session.session import open_session
from app_integration.settings import Settings
from console import operate
from vault.dotenv import export as dotenv_export
from vault.dotenv import import_ as dotenv_import
from vault.dotenv import parse, swap
from vault.dotenv.classify import Kind
from vault.dotenv.plan import Choices, make_plan
from vault.dotenv.proof import Read, service_reader
from vault.reconcile.credentials import APPLY_ROLE
from vault.reconcile.planning.apply import apply


class EnvFiles:
    """Imports and exports for one service in one environment."""

    def __init__(self, service: str, env: str, root: Path, console: Console) -> None:
        self._scope = Scope(service, names.environment(env))
        self._root = root
        self._console = console

    def import_(self, file: Path, secrets: Iterable[str], settings: Iterable[str]) -> None:
        """Import *file*; asks where it is unsure and somebody is there to answer."""
        plan = make_plan(
            parse.read(file),
            operate.declaration(),
            self._scope,
            Choices(frozenset(secrets), frozenset(settings)),
            self._ask if sys.stdin.isatty() else None,
        )
        service_file = operate.declaration_root() / "services" / f"{self._scope.service}.yaml"
        env = str(self._scope.environment)
        with operate.operator(env, self._root, APPLY_ROLE) as operator, self.reader() as read:

            def apply_again() -> int:
                found = operate.make(operator, env, self._root, None)
                apply(operator, found, lambda change: self._say(f"applied: {change}"))
                return len(found.changes)

            deployment = dotenv_import.ImportTarget(service_file, operator, apply_again, read)
            dotenv_import.run(plan, deployment, self._say)

    def finish(self, file: Path) -> None:
        """Delete the file kept by the import of *file*, once it is proven to be of no use."""
        with self.reader() as read:
            swap.finish(file, operate.declaration(), self._scope, read, self._say)

    def export(self, path: Path, reason: str) -> None:
        """Write the current values to *path*."""
        declaration = operate.declaration()
        if operate.is_local(self._scope.environment):
            declaration = operate.local(self._root, self._scope.service).declaration
        with self.reader() as read:
            done = dotenv_export.export(
                declaration,
                self._scope,
                read=read,
                audit=self._audit(),
                path=path,
                reason=reason,
            )
        self._say(f"wrote {len(done.secrets)} secrets and the settings to {done.path}")
        for name in done.missing:
            self._say(f"{name} has no value")

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """Reads as the service itself does, under its own login."""
        with open_session(self._service_settings()) as session:
            yield service_reader(session, self._scope, self._audit())

    def _audit(self) -> AuditLog:
        """The service's own access log, one record an access."""
        told = self._service_settings()
        sink = FileSink(told.audit_file) if told.audit_file else stderr_sink
        return AuditLog(self._scope, sink)

    def _service_settings(self) -> Settings:
        if operate.is_local(self._scope.environment):
            return operate.local(self._root, self._scope.service).service_settings()
        return settings.from_environment()

    def _ask(self, variable: str, reason: str) -> str:
        return Prompt.ask(
            f"{escape(variable)}: {escape(reason)}. Is it a",
            choices=[kind.value for kind in Kind],
            console=self._console,
        )

    def _say(self, line: str) -> None:
        self._console.print(escape(line), highlight=False)
