"""Findings as metrics, in a file of the textfile collector of Prometheus' node exporter.

The labels have names only, and never one from a log, because anybody who can log in chooses those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from app_integration.names import Environment
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.rules_reader import NAMES, rule_of
from vault.declare.schema.anomalies import AnomalyRules


def render_metrics(
    environment: Environment,
    rules: AnomalyRules,
    findings: Iterable[Finding],
    last: datetime | None,
    now: datetime,
) -> bytes:
    """Return the metrics of *findings* as text. A rule that is not enabled has none."""
    registry = CollectorRegistry()

    def gauge(name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(
            f"strongroom_audit_{name}", help_text, ("environment", *labels), registry=registry
        )

    counts = Counter(each.rule for each in findings)
    found = gauge("anomalies", "Findings of a rule.", "rule", "severity")
    for name in NAMES:
        rule = rule_of(rules, name)
        if rule.enabled:
            found.labels(environment.value, name, rule.severity).set(counts[name])
    checked = gauge("anomalies_checked_timestamp_seconds", "When the rules were last run.")
    checked.labels(environment.value).set(now.timestamp())
    latest = gauge("last_request_timestamp_seconds", "Time of the last request in the log.")
    if last is not None:
        latest.labels(environment.value).set(last.replace(tzinfo=UTC).timestamp())
    return generate_latest(registry)
