"""Default registry of Prometheus: the newest recorder's collectors, and the page of all workers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app_integration.errors import ConfigurationError

#: Variable of prometheus-client with the folder in which workers share their values.
_SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


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


def is_shared() -> bool:
    """Return whether workers share their values, so that one renders the page of all."""
    return _SHARED_FOLDER in os.environ


def render() -> tuple[bytes, str]:
    """Return body and content type of the page, of all workers if they share their values."""
    registry = REGISTRY
    if is_shared():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library's
    return generate_latest(registry), CONTENT_TYPE_LATEST


def check_shared_folder() -> None:
    """Raise ConfigurationError if the folder in which workers share their values is not usable."""
    folder = os.environ.get(_SHARED_FOLDER)
    if folder is not None and not os.access(folder or ".", os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{_SHARED_FOLDER} is {folder}, to which no file can be written; create the folder, "
            "and let the application's user write to it"
        )
