"""Findings as metrics, in a file of the textfile collector of Prometheus' node exporter.

The labels have names only, and never one from a log, because anybody who can log in chooses those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

from app_integration.names import Environment
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.rules import NAMES, rule_of
from vault.declare.schema.anomalies import AnomalyRules

_PREFIX: Final = "strongroom_audit"


def render_metrics(
    environment: Environment,
    rules: AnomalyRules,
    findings: Iterable[Finding],
    last: datetime | None,
    now: datetime,
) -> bytes:
    """Return the metrics of *findings* as text. A rule that is not enabled has none.

    Args:
        environment: The environment.
        rules: The rules.
        findings: The findings.
        last: Time of the last request in the store, in UTC; None if there is none.
        now: The current time.

    """
    counts = Counter(each.rule for each in findings)
    found = _family("anomalies", "Findings of a rule.", ("rule", "severity"))
    for name in NAMES:
        rule = rule_of(rules, name)
        if rule.enabled:
            found.add_metric((environment.value, name, rule.severity), counts[name])
    checked = _family("anomalies_checked_timestamp_seconds", "When the rules were last run.")
    checked.add_metric((environment.value,), now.timestamp())
    latest = _family("last_request_timestamp_seconds", "Time of the last request in the log.")
    if last is not None:
        latest.add_metric((environment.value,), last.replace(tzinfo=UTC).timestamp())
    registry = CollectorRegistry()
    registry.register(_Families([found, checked, latest]))
    return generate_latest(registry)


class _Families:
    """A collector of the families."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        return self._families


def _family(name: str, help_text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", help_text, labels=("environment", *labels))
