"""Queries to a Prometheus server."""

from __future__ import annotations

from app_integration.errors import ConfigurationError
from vault.prometheus.http_api import check_url, get_json
from vault.prometheus.vector import Sample, parse_vector


def check_prometheus_url(url: str) -> str:
    """Return *url* without trailing slashes. See :func:`.http_api.check_url`."""
    return check_url("--prometheus", url)


def query_prometheus(url: str, query: str) -> tuple[Sample, ...]:
    """Return the instant vector that is the result of *query*."""
    try:
        return parse_vector(get_json(f"{url}/api/v1/query", {"query": query}))
    except ConfigurationError as error:
        raise ConfigurationError(f"{url} cannot be queried: {error}") from None
