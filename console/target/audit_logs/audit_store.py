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

    Attributes:
        target: The environment.
        since: Start of the period, as the operator wrote it.
        until: Its end, or None for now.
        store: Folder of the store, or None for the local deployment's.
        audit_logs: Files of audit devices. Those of the local deployment are read if none is named;
            elsewhere, what is in the store already is asked.
        records: Files and folders of access records; the same. None to read none.

    """

    target: Target
    since: str
    until: str | None
    store: Path | None
    audit_logs: Sequence[Path]
    records: Sequence[Path] | None


@dataclass(frozen=True, slots=True)
class AuditStore:
    """An open store.

    Attributes:
        connection: Its connection.
        folder: Its folder.
        declared: What paths and roles are compared with.
        period: The period that is asked about.
        namespace: The Vault namespace of the deployment; empty for the root namespace.

    """

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

    Raises:
        BadParameter: If the period is none.
        ConfigurationError: If DuckDB is not installed, a file is no log, there is neither a log nor
            a store with lines, or no credential for encrypted files.
        OSError: If a file cannot be read.

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
    """Return the scope of a declared secret, key or database role, before a log is read.

    Raises:
        ConfigurationError: If it is not declared. The message suggests a similar name.

    """
    scope = target.scope(service)
    target.declaration.deployment(scope)
    find_objects(find_declared(target.declaration, target.environment), scope, name)
    return scope


def _read_period(inputs: Inputs) -> Period:
    try:
        return parse_period(inputs.since, inputs.until, datetime.now(UTC))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None
