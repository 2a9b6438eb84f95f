"""Figures of one colour, read from a Prometheus server."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from app_integration.errors import ConfigurationError
from vault.prometheus.vector import Sample
from vault.rollout.measurement import Measurement

#: Returns the instant vector of a query.
Query: TypeAlias = Callable[[str], Sequence[Sample]]


def measure(query: Query, queries: dict[str, str]) -> Measurement:
    """Return the figures of one colour.

    Args:
        query: Asks the server.
        queries: See :func:`.queries.build_queries`.

    Raises:
        ConfigurationError: If the server does not respond, or a figure is no number.

    """
    found = {name: query(text) for name, text in queries.items()}
    failures = _number(found["database_failures"])
    return Measurement(
        targets=int(_number(found["targets"])),
        crashed=tuple(sorted(each.labels.get("instance", "?") for each in found["crashed"])),
        accesses=_number(found["accesses"]),
        failed_accesses=_number(found["failed_accesses"]),
        database_failures=failures if found["has_counter"] else None,
        requests=_number(found["requests"]),
        latency=_number(found["latency"]) if _is_number(found["latency"]) else None,
    )


def _is_number(samples: Sequence[Sample]) -> bool:
    return bool(samples) and math.isfinite(samples[0].value)


def _number(samples: Sequence[Sample]) -> float:
    """Return the value of the only sample, 0 if there is none.

    Raises:
        ConfigurationError: If it is infinite or no number, which no limit compares with.

    """
    if samples and not _is_number(samples):
        raise ConfigurationError(f"a figure is {samples[0].value}; check the metrics of the rules")
    return samples[0].value if samples else 0.0
