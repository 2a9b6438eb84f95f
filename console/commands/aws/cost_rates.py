"""Measured rates of reads of secrets, from a Prometheus server."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from vault.prometheus.client import query_prometheus
from vault.prometheus.vector import Sample

#: The metric of the SDK that counts accesses, by secret and outcome.
METRIC: Final = "strongroom_secret_access_total"
#: Outcomes of accesses that a value was returned for.
_USES: Final = "hit|miss|stale"
#: The time over which a rate is measured.
WINDOW: Final = "1d"
#: The label of all names beyond the first 256.
OTHER: Final = "other"


def read_rates(url: str, environment: Environment, secrets: Iterable[str]) -> dict[str, float]:
    """Return the reads of each secret in a second by one instance, on average over a day."""
    selector = f'{METRIC}{{environment="{environment}",outcome=~"{_USES}"}}'
    total = query_prometheus(url, f"sum by (secret) (rate({selector}[{WINDOW}]))")
    counted = query_prometheus(url, f"count by (secret) (count by (secret, instance) ({selector}))")
    rates, instances = _by_secret(total), _by_secret(counted)
    if not rates:
        raise ConfigurationError(
            f"{url} has no {METRIC} of {environment} in the last {WINDOW}; pass --reads, or scrape"
            " the application"
        )
    # A declared secret that is not among them was not read, or its name has no label of its own.
    missing = {} if OTHER in rates else dict.fromkeys(secrets, 0.0)
    return {**missing, **{name: rate / instances.get(name, 1.0) for name, rate in rates.items()}}


def _by_secret(samples: Iterable[Sample]) -> dict[str, float]:
    return {
        each.labels["secret"]: each.value
        for each in samples
        if "secret" in each.labels and math.isfinite(each.value) and each.value >= 0
    }
