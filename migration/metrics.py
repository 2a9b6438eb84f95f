"""Progress of a migration as metrics, in a file of the node exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from migration.status import Status


def render_metrics(environment: str, name: str, status: Status, now: datetime) -> bytes:
    """Return the metrics of the pass under way as text. What is unknown has none."""
    registry, rest = CollectorRegistry(), status.rest

    def set_gauge(part: str, text: str, value: float, **more: str) -> None:
        labels = {"environment": environment, "migration": name, **more}
        gauge = Gauge(f"strongroom_migration_{part}", text, tuple(labels), registry=registry)
        gauge.labels(**labels).set(value)

    set_gauge("checked_timestamp_seconds", "When the status was read.", now.timestamp())
    if status.running is not None:
        named = {"pass": status.running}
        duties = [each.duty for each in rest.workers if each.held is None]
        set_gauge("left_rows", "Rows that the pass has to do.", rest.rows, **named)
        set_gauge("rows_per_second", "Rows a second of all workers.", rest.rate, **named)
        set_gauge("workers", "Workers of the pass that are not held.", len(duties), **named)
        set_gauge("duty", "Sum of the parts of their time that they work.", sum(duties), **named)
        if rest.seconds is not None:
            set_gauge("left_seconds", "Time until the pass is done.", rest.seconds, **named)
    return generate_latest(registry)
