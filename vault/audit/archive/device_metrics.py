"""State of the audit devices as metrics, in a file for Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

from app_integration.names import Environment
from vault.audit.archive.devices import DeviceState

_LABELS: Final = ("environment", "file")


def render_device_metrics(
    environment: Environment, states: Sequence[DeviceState], min_free: int, findings: int
) -> bytes:
    """Return the metrics of the devices as text.

    Args:
        environment: The environment.
        states: State of each device.
        min_free: Bytes that must be free.
        findings: Number of all findings.

    """
    registry = CollectorRegistry()
    registry.register(_Families(environment.value, states, min_free, findings))
    return generate_latest(registry)


class _Families:
    """A collector of the four families."""

    def __init__(
        self, environment: str, states: Sequence[DeviceState], min_free: int, findings: int
    ) -> None:
        healthy = _family("device_healthy", "1 if the file has the newest request and room.")
        free = _family("device_free_bytes", "Free bytes on the disk of the file.")
        size = _family("device_size_bytes", "Size of the file.")
        for state in states:
            labels = (environment, str(state.path))
            healthy.add_metric(labels, not any(state.findings(min_free)))
            free.add_metric(labels, state.free)
            size.add_metric(labels, state.size)
        total = GaugeMetricFamily(
            "strongroom_audit_findings", "Number of findings.", labels=_LABELS[:1]
        )
        total.add_metric((environment,), findings)
        self._families = [healthy, free, size, total]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        return self._families


def _family(name: str, help_text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"strongroom_audit_{name}", help_text, labels=_LABELS)
