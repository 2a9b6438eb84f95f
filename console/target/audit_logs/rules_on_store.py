"""Rules of anomalies, with the requests of the store that they ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.target.audit_logs.audit_store import Inputs, open_audit_store
from vault.audit.anomalies.patterns import build_names
from vault.audit.anomalies.queries import RuleContext
from vault.audit.anomalies.requests import Span, create_requests
from vault.audit.anomalies.rules_reader import FILE, read_rules
from vault.declare import source_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class RulesOnStore:
    """A store and the rules to ask it with.

    *since* is in UTC, without a zone; earlier requests are history. *damaged* counts lines and ends
    of files, which no rule sees.
    """

    connection: DuckDBPyConnection
    environment: Environment
    context: RuleContext
    span: Span
    since: datetime
    now: datetime
    damaged: int


@contextmanager
def open_rules(inputs: Inputs, rules: Path | None) -> Iterator[RulesOnStore]:
    """Ingest what is new in the logs, and yield the store with the rules."""
    target, declared = inputs.target, inputs.target.declared
    environment = target.environment
    read = read_rules(rules or source_file.find(target.checkout.repository.declaration, FILE))
    names = build_names(environment.value, declared.deployment, declared.mounts)
    with open_audit_store(inputs) as audit:
        now = audit.period.until
        own = (declared.deployment, *map(str, audit.declared.scopes))
        context = RuleContext(read, names, audit.namespace, now.date(), own)
        span = create_requests(audit.connection, context)
        if not span.count:
            raise ConfigurationError(
                "the log has no request of this environment's namespace; check VAULT_NAMESPACE and "
                "the files of --audit-log"
            )
        since = audit.period.since.replace(tzinfo=None)
        logs = audit.describe_logs()
        damaged = sum(max(log["damaged"], len(log["damage"])) for log in logs)
        yield RulesOnStore(audit.connection, environment, context, span, since, now, damaged)
