"""Fetching of secrets through the cache: single flight, and stale values during an outage."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final

from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    DeadlineExceeded,
    StrongroomError,
)
from app_integration.observability import metrics
from app_integration.secret_store.cache import SecretCache
from app_integration.secret_store.cache_entry import (
    FAILED_RETRY,
    READ,
    REQUESTED,
    UNUSED,
    Entry,
    FetchResult,
    Key,
    is_fresh,
    is_served_stale,
    is_usable_on_outage,
    name_of,
    negative_ttl,
    split_key,
)
from app_integration.secret_store.cache_metrics import record_cached, record_versions
from app_integration.secret_store.cache_refresher import CacheRefresher
from app_integration.secret_store.fetcher_config import FetcherConfig
from app_integration.secret_store.watchers import ChangeWatchers
from app_integration.session.retry import single_attempt
from app_integration.settings import Limits
from app_integration.sources.chain import Chain

log = logging.getLogger(__name__)

#: Share of the deadline for which a caller waits for a request that another thread sends. It is
#: above 1, so that the error of the request itself, which says more, comes first.
WAIT_FACTOR: Final = 1.1

_tickets: Final = itertools.count(1)

Spawn = Callable[[Callable[[], None]], object]


class Fetcher:
    """Cached access to one chain of sources, refreshed in the background. Thread-safe.

    Attributes:
        cache: Entries and negative entries.
        watchers: The callbacks on changes.
        refresher: Refreshes the entries in the background.

    """

    def __init__(self, chain: Chain, config: FetcherConfig, watchers: ChangeWatchers) -> None:
        self._chain = chain
        self._config = config
        self._clock = config.clock
        self.cache = SecretCache(config.limits)
        self.watchers = watchers
        self.refresher = CacheRefresher(self.cache, self.watchers, chain, self._refresh, config)
        self._closed = False
        self._create_locks()

    def _create_locks(self) -> None:
        self._lock = threading.Lock()
        self._flights: SingleFlight[FetchResult] = SingleFlight()

    def reset_after_fork(self) -> None:
        """Recreate the locks. Threads do not survive a fork."""
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

    def get_cached(self, key: Key) -> Entry | None:
        """Return the entry of *key* that may be served: a fresh one, or in an outage a stale one.

        Returns:
            None if a source must be requested.

        Raises:
            ServerError: If the outage is known, and nothing is cached.
            StrongroomError: If a negative entry says that the name has no value, is denied, or
                failed a moment ago.

        """
        self._adopt_inherited()
        now, entry = self._clock(), self.cache.entries.get(key)
        if entry is not None and is_fresh(entry, now):
            entry.usage = READ
            return entry
        if entry is not None and is_served_stale(entry, now, is_outage=self._chain.is_unavailable):
            self._note_stale(key, entry, now)
            entry.usage = READ
            return entry
        if error := self.cache.get_missing_error(key, now):
            raise error
        if error := self._chain.get_error(name_of(key)):
            self.refresher.want(key)
            raise error
        return None

    def _adopt_inherited(self) -> None:
        """Adopt the entries that a forked child inherited, at its first request, and refresh."""
        if self.cache.inherited and self.cache.adopt_inherited():
            record_versions(self._config.service, self.cache.snapshot())
            self.refresher.worker.wake()

    def fetch_future(
        self, key: Key, *, force: bool, spawn: Spawn = lambda run: run()
    ) -> Future[FetchResult]:
        """Return the future of a fetch of *key*, which concurrent callers share.

        Args:
            key: The key to fetch.
            force: Whether only an answer to a new request will do, and no cached value.
            spawn: Runs the fetch, in this thread or in another.

        """
        fetch = partial(self._fetch, is_forced=True) if force else self._fetch_unless_cached
        return self._flights.join((key, force), partial(fetch, key), spawn)

    def fetch(self, key: Key, *, force: bool) -> FetchResult:
        """Return the result of a fetch of *key* in this thread or by a concurrent caller.

        Raises:
            DeadlineExceeded: If a concurrent caller's fetch did not end in time.
            StrongroomError: If the sources have no value that may be served.

        """
        future = self.fetch_future(key, force=force)
        try:
            # The fetch of a coroutine may still be waiting for a thread, so the wait is bounded.
            return future.result(self._config.limits.deadline * WAIT_FACTOR)
        except TimeoutError:
            raise no_thread_error(self._config.limits) from None

    def _refresh(self, key: Key) -> None:
        """Refresh *key*; in a known outage by one request, and no caller waits for it."""
        # Without an outage, a caller whose entry just became stale waits and sends no other one.
        kind = "attempt" if self._chain.is_unavailable else False
        try:
            self._flights.do((key, kind), partial(self._fetch_or_fall_back, key, usage=UNUSED))
        except StrongroomError as error:
            # Once the fetcher is closed its session may be closed too, so the error means nothing.
            if not (self._closed or isinstance(error, OUTAGE)):
                log.warning("%s is no longer served: %s", name_of(key), error)

    def _fetch_unless_cached(self, key: Key) -> FetchResult:
        """Return the cached entry of *key* if another fetch has just ended; otherwise fetch it."""
        if (entry := self.get_cached(key)) is not None:
            return FetchResult(entry, is_cached=True)
        return self._fetch_or_fall_back(key)

    def _fetch_or_fall_back(self, key: Key, *, usage: int = REQUESTED) -> FetchResult:
        """Fetch *key*, without retries if it failed before; in an outage a usable entry will do."""
        is_attempt = usage == UNUSED and self._chain.is_unavailable
        try:
            with single_attempt(is_attempt or self._chain.failed_at(name_of(key)) > -math.inf):
                return self._fetch(key, usage=usage)
        except OUTAGE as error:
            now, cached = self._clock(), self.cache.entries.get(key)
            if cached is None or not is_usable_on_outage(cached, error, now):
                raise
            if not is_fresh(cached, now):
                self._note_stale(key, cached, now)
            return FetchResult(cached, is_cached=True)

    def _fetch(self, key: Key, *, is_forced: bool = False, usage: int = REQUESTED) -> FetchResult:
        """Fetch *key* from the sources and cache it. The cached value is never the result.

        A forced fetch uses no later source in an outage either, except in development.
        """
        self._adopt_inherited()
        cached, requested_at = self.cache.entries.get(key), self._clock()
        ticket = next(_tickets)
        try:
            fetched, reason = self._chain.fetch(
                *split_key(key),
                is_final=lambda error: (
                    (is_forced and isinstance(error, OUTAGE) and not self._chain.has_fallback)
                    or (cached is not None and is_usable_on_outage(cached, error, self._clock()))
                ),
                is_attempt=is_forced or usage == UNUSED,
            )
        except StrongroomError as error:
            self._note_failure(key, error, ticket)
            raise
        entry = self._config.build_entry(key, fetched, requested_at, is_fallback=reason is not None)
        entry.ticket, entry.usage = ticket, usage
        if isinstance(reason, OUTAGE) and self._chain.is_unavailable:
            self.refresher.want(key)
        if reason is not None and (cached is None or cached.fetched.source != fetched.source):
            log.warning("%s comes from %s: %s", name_of(key), fetched.source, reason)
        self._store(key, entry, cached)
        return FetchResult(entry)

    def prefetch(self, names: Sequence[str]) -> None:
        """Cache those of *names* that are not cached, if the source returns several at once.

        Raises:
            ServerError: If the source is unavailable, and there is no other one.

        """
        self._adopt_inherited()
        wanted = self.cache.find_uncached(names)
        if len(wanted) < 2:  # noqa: PLR2004 (one is requested as ever)
            return
        requested_at, ticket = self._clock(), next(_tickets)
        try:
            found = self._chain.fetch_many(wanted)
        except OUTAGE:
            self.refresher.want(wanted[0])
            raise
        for name, fetched in found.items():
            entry = self._config.build_entry(name, fetched, requested_at)
            entry.ticket, entry.usage = ticket, REQUESTED
            self._store(name, entry, None)

    def _note_failure(self, key: Key, error: StrongroomError, ticket: int) -> None:
        """Keep the cached entry of *key* if it is usable after *error*; otherwise drop it."""
        now, cached = self._clock(), self.cache.entries.get(key)
        if is_outage := isinstance(error, OUTAGE) and self._chain.is_unavailable:
            self.refresher.want(key)
        if cached is not None and is_usable_on_outage(cached, error, now):
            if not is_outage:
                cached.failed_at = now
            cached.refresh_at = self._chain.retry_at if is_outage else now + FAILED_RETRY
            return
        if isinstance(error, AccessDenied):
            # The policy rule is about the name, so no version may be served.
            self.cache.drop_name(name_of(key))
        else:
            self.cache.drop(key)
        if not is_outage and (ttl := negative_ttl(key, error, self._config.limits)):
            self.cache.remember_missing(key, error, now, ttl, ticket)

    def _store(self, key: Key, entry: Entry, previous: Entry | None) -> None:
        """Cache *entry*, and notify the callbacks, metrics and log of the change."""
        self._config.registry.add(entry.fetched.value)
        if entry.fetched.next_value is not None:
            self._config.registry.add(entry.fetched.next_value)
        if self._closed or not self.cache.put(key, entry):
            return
        name = name_of(key)
        record_cached(self._config.service, key, entry, previous)
        if previous is not None and previous.stale_logged:
            log.info("%s is fresh again", name)
        if isinstance(key, str):
            self.watchers.notify(name, entry.fetched)
        self.refresher.note_due(entry.refresh_at)

    def _note_stale(self, key: Key, entry: Entry, now: float) -> None:
        """Record the age of *entry*, which is served stale, and log it once for each entry."""
        name, age = name_of(key), now - entry.fetched_at
        metrics.get_recorder().record_staleness(name, age)
        with self._lock:
            is_logged, entry.stale_logged = entry.stale_logged, True
        if not is_logged:
            log.warning("%s is served stale, %.0f s old: the server is unavailable", name, age)


def no_thread_error(limits: Limits) -> DeadlineExceeded:
    """Return the error for a caller that waited in vain for a concurrent fetch."""
    return DeadlineExceeded(
        f"no thread was free to send the request within {limits.deadline} s; "
        "raise the limit fetch_threads"
    )
