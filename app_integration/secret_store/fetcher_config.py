"""Configuration of a fetcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app_integration.observability import redaction
from app_integration.settings import Limits


@dataclass(frozen=True)
class FetcherConfig:
    """Configuration of a fetcher; see the parameters of ``SecretStore``.

    Attributes:
        limits: Limits of the cache and of requests.
        clock: Returns monotonic seconds.
        jitter: Returns a random number from 0 to 1, which spreads refreshes.
        registry: The registry that each value is added to, for redaction.
        background: See :class:`CacheRefresher`.
        ttls: Name → seconds, in place of ``cache_ttl``.
        service: The service that the secrets belong to, for metrics.

    """

    limits: Limits
    clock: Callable[[], float]
    jitter: Callable[[], float]
    registry: redaction.SecretRegistry
    background: bool
    ttls: Mapping[str, float] = field(default_factory=dict)
    service: str = ""
