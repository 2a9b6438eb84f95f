"""State of the audit devices as metrics, in a file for Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from app_integration.names import Environment
from vault.audit.archive.devices import DeviceState


def render_device_metrics(
    environment: Environment,
    states: Sequence[DeviceState],
    min_free: int,
    findings: int,
    now: datetime,
) -> bytes:
    """Return the metrics of the devices as text."""
    registry = CollectorRegistry()

    def gauge(name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(
            f"strongroom_audit_{name}", help_text, ("environment", *labels), registry=registry
        )

    healthy = gauge("device_healthy", "1 if the file has the newest request and room.", "file")
    free = gauge("device_free_bytes", "Free bytes on the disk of the file.", "file")
    size = gauge("device_size_bytes", "Size of the file.", "file")
    for state in states:
        labels = (environment.value, str(state.path))
        healthy.labels(*labels).set(not any(state.findings(min_free)))
        free.labels(*labels).set(state.free)
        size.labels(*labels).set(state.size)
    gauge("findings", "Number of findings.").labels(environment.value).set(findings)
    checked = gauge("devices_checked_timestamp_seconds", "When the devices were last compared.")
    checked.labels(environment.value).set(now.timestamp())
    return generate_latest(registry)
