"""Commands to copy: each with the options with which this page was started."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration.names import Environment, Scope
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind

#: Stands in a command for a folder that the operator chooses.
FOLDER: Final = "FOLDER"
#: Stands in a command for the address of an Alertmanager.
ALERTMANAGER: Final = "https://HOST:9093"
#: Stands in a command for the name of a second environment.
_OTHER: Final = "OTHER"


def shorten(path: Path, folder: Path) -> Path:
    """Return *path* relative to *folder*, in which commands are run, if it is below that."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands about one environment."""

    environment: str
    is_local: bool = False
    root: Path | None = None
    audit_logs: Sequence[Path] = ()
    store: Path | None = None

    def rotate(self, item: Item) -> str | None:
        """Return the command that rotates *item*, None if it changes only with others."""
        if item.every is None:
            return None
        if item.kind is Kind.STATIC_USER:
            return self._join("rotate-password", item.name, *self._of(item), *self._place())
        handed = item.kind is Kind.SECRET_ID and not self.is_local
        return self._join(
            "rotate",
            item.name,
            *self._of(item),
            *("--kind", item.kind.value),
            *(("--out", FOLDER) if handed else ()),
            *self._place(),
            *self._logs(),
        )

    def rotate_due(self) -> str:
        """Return the command that rotates all that is overdue or under way."""
        options = ("--env", self.environment, *self._place(), *self._logs())
        return self._join("rotate", "--due", *options)

    def put(self, item: Item) -> str:
        """Return the command that writes a value of *item*, which it reads from its input."""
        return self._join("put", item.name, *self._of(item), *self._place())

    def issue(self, item: Item) -> str | None:
        """Return the command that issues the first secret-id of *item*, None if none does."""
        if self.is_local or item.service is None:
            return None
        scope = Scope(item.service, Environment(self.environment))
        receiver: tuple[str, ...] = ("--colour", item.name.removeprefix(f"{scope}-"))
        if item.name == str(scope):
            receiver = ()
        elif item.name == scope.starter:
            receiver = ("--for", "agent")
        return self._join("issue-secret-id", *self._of(item), *receiver, "--out", FOLDER)

    def apply(self) -> str:
        """Return the command that creates what is declared and not on the server."""
        return self._join("apply", "--env", self.environment, *self._place())

    def plan(self) -> str:
        """Return the command that shows what :meth:`apply` would do."""
        return self._join("plan", "--env", self.environment, *self._place())

    def show_versions(self, item: Item) -> str:
        """Return the command that names who still reads which version of *item*."""
        options = (*self._of(item), *self._place(), *self._logs())
        return self._join("audit", "version", item.name, *options)

    def show_anomalies(self) -> str:
        """Return the command that names what is unusual in the log."""
        options = ("--env", self.environment, *self._place(), *self._logs())
        return self._join("audit", "anomalies", *options)

    def show_alerts(self) -> str:
        """Return the command that starts the page with an Alertmanager."""
        return self._start("--alertmanager", ALERTMANAGER)

    def show_migrations(self) -> str:
        """Return the command that starts the page with the plan of a migration."""
        return self._start("--migration", "PLAN.yaml")

    def compare_values(self, other: str) -> str:
        """Return the command that compares also the values with those of *other*."""
        names = (self.environment, other)
        return self._join("environments", "diff", *names, *self._place(), "--credentials", FOLDER)

    def show_another(self) -> str:
        """Return the command that starts the page with a second environment.

        Audit logs and a store belong to one environment.
        """
        names = ("--env", self.environment, "--env", _OTHER)
        return self._join("console", *names, *self._place(), "--credentials", FOLDER)

    def _of(self, item: Item) -> tuple[str, ...]:
        of_service = ("--service", item.service) if item.service else ()
        return ("--env", self.environment, *of_service)

    def _place(self) -> tuple[str, ...]:
        return () if self.root is None else ("--root", str(self.root))

    def _logs(self) -> tuple[str, ...]:
        logs = (part for path in self.audit_logs for part in ("--audit-log", str(path)))
        return (*logs, *(() if self.store is None else ("--store", str(self.store))))

    def _start(self, *option: str) -> str:
        options = ("--env", self.environment, *self._place(), *self._logs())
        return self._join("console", *options, *option)

    def _join(self, *parts: str) -> str:
        return shlex.join(["strongroom", *parts])
