"""Fetching of secrets through the cache: single flight, and stale values during an outage."""

from __future__ import annotations

import itertools
import logging
import math
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from typing import Final

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import OUTAGE, DeadlineExceeded, StrongroomError
from app_integration.observability import metrics, redaction
from app_integration.secret_store.cache import SecretCache
from app_integration.secret_store.cache_entry import (
    READ,
    REQUESTED,
    UNUSED,
    Entry,
    FetchResult,
    Key,
    build_entry,
    current,
    is_fresh,
    is_served_stale,
    is_usable_on_outage,
)
from app_integration.secret_store.cache_metrics import record_cached, record_versions
from app_integration.secret_store.cache_refresher import CacheRefresher
from app_integration.secret_store.watchers import ChangeWatchers
from app_integration.session.retry import single_attempt
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret
from app_integration.sources.chain import Chain

log = logging.getLogger(__name__)

#: Share of the deadline for which a caller waits for a request that another thread sends. It is
#: above 1, so that the error of the request itself, which says more, comes first.
WAIT_FACTOR: Final = 1.1

_tickets: Final = itertools.count(1)

Spawn = Callable[[Callable[[], None]], object]


class Fetcher:
    """Cached access to one chain of sources, refreshed in the background. Thread-safe."""

    def __init__(
        self,
        chain: Chain,
        watchers: ChangeWatchers,
        *,
        limits: Limits,
        ttls: Mapping[str, float],
        service: str,
        registry: redaction.SecretRegistry,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        has_thread: bool,
    ) -> None:
        """Create the fetcher, whose arguments are those of ``SecretStore``."""
        self._chain = chain
        self.watchers = watchers
        self._limits = limits
        self._ttls = ttls
        self._service = service
        self._registry = registry
        self._clock = clock
        self._jitter = jitter
        self.cache = SecretCache(limits)
        self.refresher = CacheRefresher(
            self.cache, watchers, chain, self._refresh, clock, has_thread=has_thread
        )
        self._closed = False
        self._create_locks()
        fork_safety.reset_in_child(self)

    def _create_locks(self) -> None:
        self._lock = threading.Lock()
        self._flights: SingleFlight[FetchResult] = SingleFlight()

    def reset_after_fork(self) -> None:
        """Recreate the locks. Cached values stay valid; threads do not survive a fork."""
        self._create_locks()
        self.cache.reset_after_fork()
        self.watchers.reset_after_fork()
        self.refresher.reset_after_fork()

    def resume(self) -> None:
        """Continue to refresh watched names in a forked child.

        Without a watched name, nothing is refreshed until the child requests a secret.
        """
        if self.watchers.names:
            self._adopt_inherited()
            self.refresher.worker.wake()

    def close(self) -> None:
        """Stop the background threads and clear the cache."""
        self._closed = True
        self.refresher.worker.close()
        self.watchers.close()
        self.cache.clear()

    def find(self, key: Key) -> FetchResult | None:
        """Return the entry of *key* that may be served, stale ones too in an outage, if any.

        Raises the error of a known outage, or that of a negative entry.
        """
        if self.cache.inherited:
            self._adopt_inherited()
        now, entry = self._clock(), self.cache.entries.get(key)
        if entry is not None and (
            is_fresh(entry, now)
            or is_served_stale(entry, now, is_outage=self._chain.is_unavailable)
        ):
            entry.usage = READ
            return self._serve(key, entry, now)
        if key in self.cache.negative and (error := self.cache.get_missing_error(key, now)):
            raise error
        if error := self._chain.get_error(key[0]):
            self.refresher.want(key)
            raise error
        return None

    def _serve(self, key: Key, entry: Entry, now: float) -> FetchResult:
        """Return the result that a cached *entry* is; if stale, record its age and log it once."""
        if is_fresh(entry, now):
            return FetchResult(entry, "hit")
        name, age = key[0], now - entry.fetched_at
        metrics.get_recorder().record_staleness(name, age)
        with self._lock:
            is_logged, entry.stale_logged = entry.stale_logged, True
        if not is_logged:
            log.warning("%s is served stale, %.0f s old: the server is unavailable", name, age)
        return FetchResult(entry, "stale")

    def _adopt_inherited(self) -> None:
        """Adopt the entries that a forked child inherited, at its first request, and refresh."""
        if self.cache.inherited and self.cache.adopt_inherited():
            record_versions(self._service, self.cache.snapshot())
            self.refresher.worker.wake()

    def fetch_future(
        self, key: Key, *, force: bool, spawn: Spawn = operator.call
    ) -> Future[FetchResult]:
        """Return the future of a fetch of *key*, which *spawn* runs and concurrent callers share.

        With *force* only an answer to a new request will do, and no cached value.
        """
        fetch = partial(self._fetch, is_forced=True) if force else self._fetch_or_fall_back
        return self._flights.join((key, force), partial(fetch, key), spawn)

    def fetch(self, key: Key, *, force: bool = False) -> FetchResult:
        """Return the cached entry, or that of a fetch in this thread or by a concurrent caller."""
        if not force and (found := self.find(key)) is not None:
            return found
        future = self.fetch_future(key, force=force)
        try:
            # The fetch of a coroutine may still be waiting for a thread, so the wait is bounded.
            return future.result(self._limits.deadline * WAIT_FACTOR)
        except TimeoutError:
            raise no_thread_error(self._limits) from None

    def _refresh(self, key: Key) -> None:
        """Refresh *key*; in a known outage by one request, and no caller waits for it."""
        # Without an outage, a caller whose entry just became stale waits and sends no other one.
        kind = "attempt" if self._chain.is_unavailable else False
        try:
            self._flights.do((key, kind), partial(self._fetch_or_fall_back, key, usage=UNUSED))
        except StrongroomError as error:
            # Once the fetcher is closed its session may be closed too, so the error means nothing.
            if not (self._closed or isinstance(error, OUTAGE)):
                log.warning("%s is no longer served: %s", key[0], error)

    def _fetch_or_fall_back(self, key: Key, *, usage: int = REQUESTED) -> FetchResult:
        """Fetch *key*, without retries if it failed before; in an outage a usable entry will do.

        For a caller, so will an entry that another fetch has cached since the caller searched.
        """
        is_cached = key in self.cache.entries or key in self.cache.negative
        if usage == REQUESTED and is_cached and (found := self.find(key)) is not None:
            return found
        is_attempt = usage == UNUSED and self._chain.is_unavailable
        is_single = is_attempt or self._chain.failed_at(key[0]) > -math.inf
        try:
            with single_attempt(is_single) if is_single else nullcontext():
                return self._fetch(key, usage=usage)
        except OUTAGE as error:
            now, cached = self._clock(), self.cache.entries.get(key)
            if cached is None or not is_usable_on_outage(cached, error, now):
                raise
            return self._serve(key, cached, now)

    def _fetch(self, key: Key, *, is_forced: bool = False, usage: int = REQUESTED) -> FetchResult:
        """Fetch *key* from the sources and cache it. The cached value is never the result.

        A forced fetch uses no later source in an outage either, except in development.
        """
        if self.cache.inherited:
            self._adopt_inherited()
        cached, requested_at = self.cache.entries.get(key), self._clock()
        ticket, (name, version, field) = next(_tickets), key
        try:
            fetched, reason = self._chain.fetch(
                *(name, version, field),
                is_final=lambda error: (
                    (is_forced and isinstance(error, OUTAGE) and not self._chain.has_fallback)
                    or (cached is not None and is_usable_on_outage(cached, error, self._clock()))
                ),
                is_attempt=is_forced or usage == UNUSED,
            )
        except StrongroomError as error:
            is_outage = isinstance(error, OUTAGE) and self._chain.is_unavailable
            if is_outage:
                self.refresher.want(key)
            retry_at = self._chain.retry_at if is_outage else None
            self.cache.keep_or_drop(key, error, self._clock(), retry_at, ticket)
            raise
        if isinstance(reason, OUTAGE) and self._chain.is_unavailable:
            self.refresher.want(key)
        if reason is not None and (cached is None or cached.fetched.source != fetched.source):
            log.warning("%s comes from %s: %s", name, fetched.source, reason)
        entry = self._store(
            *(key, fetched, requested_at, ticket, usage),
            previous=cached,
            is_fallback=reason is not None,
        )
        # A caller may have joined this request after another one had a later response.
        if self.cache.entries.get(key) is not entry:
            entry = self.cache.get_latest(key, entry)
        return FetchResult(entry, "miss")

    def prefetch(self, names: Sequence[str]) -> None:
        """Cache those of *names* that are not cached, if the source returns several at once."""
        self._adopt_inherited()
        wanted = self.cache.find_uncached(names)
        if len(wanted) < 2:  # noqa: PLR2004 (one is requested singly)
            return
        requested_at, ticket = self._clock(), next(_tickets)
        try:
            found = self._chain.fetch_many(wanted)
        except OUTAGE:
            self.refresher.want(current(wanted[0]))
            raise
        for name, fetched in found.items():
            self._store(current(name), fetched, requested_at, ticket, REQUESTED)

    def _store(
        self,
        key: Key,
        fetched: FetchedSecret,
        requested_at: float,
        ticket: int,
        usage: int,
        *,
        previous: Entry | None = None,
        is_fallback: bool = False,
    ) -> Entry:
        """Cache *fetched*, and tell the callbacks, metrics and log; return its entry."""
        name, limits = key[0], self._limits
        ttl, jitter = self._ttls.get(name, limits.cache_ttl), self._jitter()
        entry = build_entry(
            fetched, requested_at, ttl, limits, jitter=jitter, is_fallback=is_fallback
        )
        entry.ticket, entry.usage = ticket, usage
        self._registry.add(fetched.value)
        if fetched.next_value is not None:
            self._registry.add(fetched.next_value)
        if not self._closed and self.cache.put(key, entry):
            record_cached(self._service, key, entry, previous)
            if previous is not None and previous.stale_logged:
                log.info("%s is fresh again", name)
            if key == (name, None, None):
                self.watchers.notify(name, fetched)
            self.refresher.note_due(entry.refresh_at)
        return entry


def no_thread_error(limits: Limits) -> DeadlineExceeded:
    """Return the error for a caller whose wait for a concurrent fetch timed out."""
    return DeadlineExceeded(
        f"no thread was free to send the request within {limits.deadline} s; "
        "raise the limit fetch_threads"
    )
