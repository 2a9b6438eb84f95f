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
from console import operate
from console.audit_files import find_audit_files
from console.damage_view import show_damage
from console.log_sources import LogSources, default_store
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
        env: Name of the environment.
        since: Start of the period, as the operator wrote it.
        until: Its end, or None for now.
        store: Folder of the store, or None for the local deployment's.
        audit_logs: Files of audit devices. Those of the local deployment are read if none is named;
            elsewhere, what is in the store already is asked.
        records: Files and folders of access records; the same. None to read none.
        root: Folder of the local deployment.

    """

    env: str
    since: str
    until: str | None
    store: Path | None
    audit_logs: Sequence[Path]
    records: Sequence[Path] | None
    root: Path


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

    Args:
        inputs: What is read.
        into: A new connection that outlives the store, None for one that ends with it.

    Raises:
        BadParameter: If the period is none.
        ConfigurationError: If DuckDB is not installed, a file is no log, there is neither a log nor
            a store with lines, or no credential for encrypted files.
        OSError: If a file cannot be read.

    """
    environment = operate.resolve_environment(inputs.env)
    period = _read_period(inputs)
    declared = find_declared(operate.load_declaration(), environment)
    folder = inputs.store or default_store(environment, inputs.root)
    files = find_audit_files(environment, inputs.audit_logs, inputs.root)
    if files.paths or inputs.records or operate.is_local(environment, inputs.root):
        sources = LogSources(environment, files.paths, inputs.records, inputs.root)
        show_damage(sources.update(folder).damage)
    with open_store(folder, into) as connection:
        require_lines(connection, folder)
        yield AuditStore(connection, folder, declared, period, files.namespace)


def read_scope(service: str, env: str, name: str) -> Scope:
    """Return the scope of a declared secret, key or database role, before a log is read.

    Args:
        service: Name of the service.
        env: Name of the environment.
        name: The name in the service's file.

    Raises:
        ConfigurationError: If it is not declared. The message suggests a similar name.

    """
    declaration = operate.load_declaration()
    scope = Scope(service, declaration.resolve_environment(env))
    declaration.deployment(scope)
    find_objects(find_declared(declaration, scope.environment), scope, name)
    return scope


def _read_period(inputs: Inputs) -> Period:
    try:
        return parse_period(inputs.since, inputs.until, datetime.now(UTC))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None
