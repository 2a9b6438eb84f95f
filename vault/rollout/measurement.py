"""Measurement of one colour: its figures from Prometheus at one time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app_integration.errors import ConfigurationError
from vault.prometheus.client import Sample

#: Returns the instant vector of a query.
Query: TypeAlias = Callable[[str], Sequence[Sample]]


def measure(query: Query, queries: dict[str, str]) -> Measurement:
    """Return the figures of one colour."""
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
    """Return the value of the only sample, 0 if there is none."""
    if samples and not _is_number(samples):
        raise ConfigurationError(f"a figure is {samples[0].value}; check the metrics of the rules")
    return samples[0].value if samples else 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one colour, over a window that ends now.

    *database_failures* is None without such a counter; *latency* is in seconds, None without
    requests.
    """

    targets: int = 0
    crashed: tuple[str, ...] = ()
    accesses: float = 0.0
    failed_accesses: float = 0.0
    database_failures: float | None = None
    requests: float = 0.0
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Both colours at one time.

    *window* is the seconds of the figures, without the old colour's latency, which is of the
    baseline.
    """

    new: Measurement
    old: Measurement
    window: float
