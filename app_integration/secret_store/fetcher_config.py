"""Configuration of a fetcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app_integration.observability import redaction
from app_integration.secret_store.cache_entry import Entry, Key, build_entry, name_of
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret


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

    def build_entry(
        self, key: Key, fetched: FetchedSecret, requested_at: float, *, is_fallback: bool = False
    ) -> Entry:
        """Return a new entry of *key*. See :func:`.cache_entry.build_entry`."""
        ttl = self.ttls.get(name_of(key), self.limits.cache_ttl)
        jitter = self.jitter()
        return build_entry(
            fetched, requested_at, ttl, self.limits, jitter=jitter, is_fallback=is_fallback
        )
