"""Store of audit lines, brought up to date, with the requests that the rules of anomalies ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console import operate
from console.audit.log_sources import default_store
from console.audit_files import find_audit_files
from console.escapes import escape_unprintable
from vault.audit.anomalies.patterns import build_names
from vault.audit.anomalies.queries import Question
from vault.audit.anomalies.requests import Span, create_requests
from vault.audit.anomalies.rules import find_file, read_rules
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source
from vault.audit.store import open_store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Damaged lines that are named. The index of the store has more.
_MOST: Final = 20

err = Console(stderr=True, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command was asked to read.

    Attributes:
        env: Name of the environment.
        since: Seconds before *now*, before which requests are history.
        rules: The rules file, or None for the declaration's.
        audit_logs: Files of audit devices. Those of the local deployment are read if none is named.
        store: Folder of the store, or None for the local deployment's.
        root: Folder of the local deployment.
        now: The current time.

    """

    env: str
    since: int
    rules: Path | None
    audit_logs: Sequence[Path]
    store: Path | None
    root: Path
    now: datetime


@dataclass(frozen=True, slots=True)
class RulesOnStore:
    """A store and the rules to ask it with.

    Attributes:
        connection: Connection with the table ``requests``.
        environment: The environment.
        question: The rules, and what else queries depend on.
        span: Time over which the log reaches.
        since: In UTC, without a zone. Earlier requests are history.

    """

    connection: DuckDBPyConnection
    environment: Environment
    question: Question
    span: Span
    since: datetime


@contextmanager
def open_rules(inputs: Inputs) -> Iterator[RulesOnStore]:
    """Ingest what is new in the logs, and yield the store with the rules.

    Args:
        inputs: What is read.

    Raises:
        DeclarationError: If the rules file is invalid. Nothing was written.
        ConfigurationError: If DuckDB is not installed, a file is no log, or there is neither a log
            nor a store with lines.
        OSError: If a file cannot be read.

    """
    repository = operate.repository()
    environment = operate.resolve_environment(inputs.env)
    declared = repository.load().environment(environment)
    rules = read_rules(inputs.rules or find_file(repository.declaration))
    files = find_audit_files(environment, inputs.audit_logs, inputs.root)
    folder = inputs.store or default_store(environment, inputs.root)
    if files.paths:
        _report_damage(ingest(map(Source.server_log, files.paths), folder))
    names = build_names(environment.value, declared.deployment, declared.mounts)
    now = inputs.now.astimezone(UTC).replace(tzinfo=None)
    question = Question(rules, names, files.namespace, now.date())
    with open_store(folder) as connection:
        span = create_requests(connection, question)
        if not span.count:
            raise ConfigurationError(
                f"{folder} has no request of this environment's namespace; name a file of each "
                "audit device with --audit-log"
            )
        since = now - timedelta(seconds=inputs.since)
        yield RulesOnStore(connection, environment, question, span, since)


def _report_damage(found: Ingested) -> None:
    """Name damaged lines, because a rule does not see what was on them."""
    for each in found.damage[:_MOST]:
        err.print(f"warning: {escape_unprintable(str(each))}", markup=False, highlight=False)
    if len(found.damage) > _MOST:
        more = len(found.damage) - _MOST
        err.print(f"warning: and {more} more damaged lines", markup=False, highlight=False)
