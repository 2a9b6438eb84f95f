"""The ledger as metrics, in a file of the textfile collector of Prometheus' node exporter.

The labels have names only. Several secret-ids of one AppRole are one series, that of the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

from app_integration.names import Environment
from vault.rotation.ledger.ledger import Row, State

_LABELS: Final = ("environment", "service", "kind", "name")
_Series = dict[tuple[str, ...], float]


def render_metrics(environment: Environment, rows: Iterable[Row], now: datetime) -> bytes:
    """Return the metrics of *rows* as text. A row without a known age has none."""
    ages: _Series = {}
    dues: _Series = {}
    overdue: _Series = {}
    waiting: _Series = {}
    ended: _Series = {}
    for row in rows:
        item = row.item
        labels = (environment.value, item.service or "", item.kind.value, item.name)
        if row.age_seconds is not None:
            ages[labels] = max(row.age_seconds, ages.get(labels, 0))
            overdue[labels] = max(row.state is State.OVERDUE, overdue.get(labels, 0))
        if row.age.version is not None:
            ended[labels] = row.state is State.NO_VALUE
        if row.due is not None:
            due = row.due.timestamp()
            dues[labels] = min(due, dues.get(labels, due))
        if row.rotation is not None:
            waiting[labels] = row.rotation.waits_since.timestamp()
    registry = CollectorRegistry()
    registry.register(_Families(ages, dues, overdue, waiting, ended))
    Gauge(
        "strongroom_rotation_checked_timestamp_seconds",
        "When the ledger was last written.",
        ("environment",),
        registry=registry,
    ).labels(environment.value).set(now.timestamp())
    return generate_latest(registry)


class _Families:
    """A collector of the five families."""

    def __init__(
        self, ages: _Series, dues: _Series, overdue: _Series, waiting: _Series, ended: _Series
    ) -> None:
        self._families = [
            _family("age_seconds", "Time since the current value was created.", ages),
            _family("due_timestamp_seconds", "When the value must be rotated at the latest.", dues),
            _family("overdue", "1 if the value is overdue, 0 if not.", overdue),
            _family(
                "waiting_timestamp_seconds",
                "When a rotation that is under way promoted its value, or else began.",
                waiting,
            ),
            _family("value_deleted", "1 if the value is deleted or destroyed, 0 if not.", ended),
        ]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        return self._families


def _family(name: str, help_text: str, series: _Series) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"strongroom_rotation_{name}", help_text, labels=_LABELS)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family
