"""What the default registry of Prometheus shows: the collectors of the newest recorder."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Metric


class _Shown:
    """A collector in the default registry that returns the metrics of another registry."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry | None = None

    def describe(self) -> Iterable[Metric]:
        """Return no metric, because registration calls this before there is one."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of the registry that is shown."""
        return self.registry.collect() if self.registry else []


_shown = _Shown()


def show(registry: CollectorRegistry) -> None:
    """Show the metrics of *registry* from now on."""
    if _shown.registry is None:
        REGISTRY.register(_shown)
    _shown.registry = registry
