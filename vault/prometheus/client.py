"""Queries to a Prometheus server."""

from __future__ import annotations

from app_integration.errors import ConfigurationError
from vault.prometheus.http_api import get_json
from vault.prometheus.vector import Sample, parse_vector


def query_prometheus(url: str, query: str) -> tuple[Sample, ...]:
    """Return the instant vector that is the result of *query*."""
    try:
        return parse_vector(get_json(f"{url}/api/v1/query", {"query": query}))
    except ConfigurationError as error:
        raise ConfigurationError(f"{url} cannot be queried: {error}") from None
