"""Queries to a Prometheus server, and the instant vectors in its responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app_integration.errors import ConfigurationError
from vault.prometheus.http_api import get_json

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of an instant vector. Its value may be infinite, or no number."""

    labels: Labels
    value: float


def parse_vector(document: Any) -> tuple[Sample, ...]:
    """Return the samples in a response of Prometheus' query API."""
    try:
        samples = tuple(map(_parse_sample, _results(document)))
        is_partial = bool(document.get("warnings"))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise ConfigurationError(
            "the response is not that of Prometheus' query API; check its address"
        ) from None
    if is_partial:
        raise ConfigurationError(
            "the response has warnings, so that targets may be missing; look at its targets"
        )
    return samples


def _results(document: Any) -> list[Any]:
    data = document["data"]
    if document["status"] != "success" or data["resultType"] != "vector":
        raise ValueError
    results = data["result"]
    if not isinstance(results, list):
        raise TypeError
    return results


def _parse_sample(result: Any) -> Sample:
    labels, (_time, text) = result["metric"], result["value"]
    if not all(isinstance(each, str) for pair in labels.items() for each in (*pair, text)):
        raise TypeError
    return Sample(dict(labels), float(text))


def query_prometheus(url: str, query: str) -> tuple[Sample, ...]:
    """Return the instant vector that is the result of *query*."""
    try:
        return parse_vector(get_json(f"{url}/api/v1/query", {"query": query}))
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{url} cannot be queried: {error}; check that Prometheus runs there"
        ) from None
