"""Summary of the audit log: what is unusual in it, and when each role has last read a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from console.target.audit_logs.audit_store import Inputs
from console.target.audit_logs.rules_on_store import open_rules
from vault.audit.anomalies.detection import find_anomalies
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.requests import find_last_reads
from vault.declare.schema.anomalies import AnomalyRules


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """What the audit log says as a whole.

    *reads* has the last read of each role, apart by whether an agent did it.
    """

    findings: tuple[Finding, ...]
    reads: Mapping[tuple[str, bool], datetime]
    first: datetime | None
    last: datetime | None
    rules: AnomalyRules
    since: datetime
    damaged: int = 0


def read_audit_summary(inputs: Inputs) -> AuditSummary:
    """Ingest what is new in the logs, and return their summary."""
    with open_rules(inputs, None) as opened:
        found = find_anomalies(opened.connection, opened.context, opened.since)
        reads = find_last_reads(opened.connection)
    return AuditSummary(
        tuple(found),
        {key: time.replace(tzinfo=UTC) for key, time in reads.items()},
        opened.span.first,
        opened.span.last,
        opened.context.rules,
        opened.since.replace(tzinfo=UTC),
        opened.damaged,
    )
