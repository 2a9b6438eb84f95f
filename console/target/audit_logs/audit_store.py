"""Store of audit lines, brought up to date for a command that asks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from console.target.audit_logs.audit_files import find_audit_files
from console.target.audit_logs.log_sources import LogSources, default_store
from console.target.target import Target
from console.views.damage import show_damage
from vault.audit.ingest.index import Index
from vault.audit.report.coverage import describe_logs
from vault.audit.report.declared_objects import Declared, find_declared
from vault.audit.report.period import Period, parse_period
from vault.audit.report.questions import find_objects
from vault.audit.store import open_store, require_lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command was asked to read.

    Without *audit_logs* or *records*, the local deployment's are read, and elsewhere what is in the
    store is asked. *records* is None to read none.
    """

    target: Target
    since: str
    until: str | None
    store: Path | None
    audit_logs: Sequence[Path]
    records: Sequence[Path] | None


@dataclass(frozen=True, slots=True)
class AuditStore:
    """An open store."""

    connection: DuckDBPyConnection
    folder: Path
    declared: Declared
    period: Period
    namespace: str

    def describe_logs(self) -> list[dict[str, Any]]:
        """Return what was read of each log, damage by line, also that of former runs."""
        return describe_logs(Index.load(self.folder))


@contextmanager
def open_audit_store(
    inputs: Inputs, into: DuckDBPyConnection | None = None
) -> Iterator[AuditStore]:
    """Ingest what is new in the logs, name damaged lines on standard error, and yield the store.

    *into* is a new connection that outlives the store; without one, it closes with the store.
    """
    target, period = inputs.target, _read_period(inputs)
    declared = find_declared(target.declaration, target.environment)
    folder = inputs.store or default_store(target)
    files = find_audit_files(target, inputs.audit_logs)
    if files.paths or inputs.records or target.is_local:
        sources = LogSources(target, files.paths, inputs.records)
        show_damage(sources.update(folder).damage)
    with open_store(folder, into) as connection:
        require_lines(connection, folder)
        yield AuditStore(connection, folder, declared, period, files.namespace)


def find_object_scope(target: Target, service: str, name: str) -> Scope:
    """Return the scope of a declared secret, key or database role, before a log is read."""
    scope = target.scope(service)
    target.declaration.deployment(scope)
    find_objects(find_declared(target.declaration, target.environment), scope, name)
    return scope


def _read_period(inputs: Inputs) -> Period:
    try:
        return parse_period(inputs.since, inputs.until, datetime.now(UTC))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None
