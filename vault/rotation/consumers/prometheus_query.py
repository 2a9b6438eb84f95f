"""Versions of secrets, as a Prometheus server knows them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from app_integration.errors import ConfigurationError
from vault.prometheus.client import query_prometheus
from vault.rotation.consumers.version_metrics import VersionMetrics, build_queries, read_versions


def read_version_metrics(url: str, names: Collection[str], since: timedelta) -> VersionMetrics:
    """Return which versions of the secrets *names* the targets of Prometheus show."""
    try:
        found = {
            field: read_versions(query_prometheus(url, text))
            for field, text in build_queries(names, since).items()
        }
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}; correct --prometheus, or leave it out to wait for the time bound"
        ) from None
    return VersionMetrics(**found)
