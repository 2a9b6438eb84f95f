"""Queries to a Prometheus server."""

from __future__ import annotations

from app_integration.errors import ConfigurationError
from vault.prometheus.http_api import check_url, get_json
from vault.prometheus.vector import Sample, parse_vector


def check_prometheus_url(url: str) -> str:
    """Return *url* without trailing slashes. See :func:`.http_api.check_url`.

    Raises:
        ConfigurationError: If it is not ``http(s)://host``, with a port and path or without, or
            contains credentials.

    """
    return check_url("--prometheus", url)


def query_prometheus(url: str, query: str) -> tuple[Sample, ...]:
    """Return the instant vector that is the result of *query*.

    Args:
        url: Address of the server; see :func:`check_prometheus_url`.
        query: Text in PromQL.

    Raises:
        ConfigurationError: If the server does not respond, or not as Prometheus does.

    """
    try:
        return parse_vector(get_json(f"{url}/api/v1/query", {"query": query}))
    except ConfigurationError as error:
        raise ConfigurationError(f"{url} cannot be queried: {error}") from None
