"""Background refresh of cached secrets before they become stale."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from typing import Final

from app_integration._internal.background_worker import MAX_INTERVAL, BackgroundWorker
from app_integration.secret_store.cache import SecretCache
from app_integration.secret_store.cache_entry import (
    Key,
    current,
    is_backing_off,
    keys_to_refresh,
    next_refresh,
)
from app_integration.secret_store.watchers import ChangeWatchers
from app_integration.sources.chain import Chain
from app_integration.sources.outage import OUTAGE_BACKOFF

#: Keys that are to be requested once the source is available, so that they do not accumulate.
_MAX_WANTED: Final = 256


class CacheRefresher:
    """A background thread that refreshes the entries of a cache, and fetches watched names."""

    def __init__(
        self,
        cache: SecretCache,
        watchers: ChangeWatchers,
        chain: Chain,
        refresh: Callable[[Key], object],
        clock: Callable[[], float],
        *,
        has_thread: bool,
    ) -> None:
        """Start no thread yet. Without *has_thread* none runs: a test calls :meth:`refresh_due`."""
        self._cache = cache
        self._watchers = watchers
        self._chain = chain
        self._refresh = refresh
        self._clock = clock
        self.worker = BackgroundWorker(self.refresh_due, "strongroom-refresh")
        if not has_thread:
            self.worker.close()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Recreate the locks. Threads do not survive a fork."""
        self._lock = threading.Lock()
        # Times on the clock: the last attempt to fetch the watched names that are not cached, the
        # next round, and when the first entry is due that was cached since the last round began.
        self._watched_fetched_at = -math.inf
        self._next_round_at = self._first_due_at = math.inf
        self._wanted: dict[Key, None] = {}
        self.worker.reset_after_fork()

    def note_due(self, at: float) -> None:
        """Wake the thread if *at*, when an entry is due, is before its next round.

        Each round reads all entries. One for each entry would take longer with every entry.
        """
        with self._lock:
            self._first_due_at = min(self._first_due_at, at)
            if at >= self._next_round_at:
                return
            self._next_round_at = at
        self.worker.wake()

    def want(self, key: Key) -> None:
        """Request *key* in an attempt to reach an unavailable source."""
        with self._lock:
            self._wanted[key] = None
            if len(self._wanted) > _MAX_WANTED:
                del self._wanted[next(iter(self._wanted))]
        self.note_due(self._chain.retry_at)

    def refresh_due(self) -> float:
        """Refresh the entries that are due, and return the seconds until the next refresh.

        The background thread calls this.
        """
        with self._lock:
            # No entry needs another round now, because this one counts it when it finishes.
            self._first_due_at, self._next_round_at = math.inf, -math.inf
        try:
            delay = self._refresh_due()
        except BaseException:
            with self._lock:
                self._next_round_at = math.inf  # so that the next entry wakes the thread
            raise
        now = self._clock()
        with self._lock:
            delay = max(min(delay, self._first_due_at - now), 0.0)
            self._next_round_at = now + min(delay, MAX_INTERVAL)
        return delay

    def _refresh_due(self) -> float:
        now = self._clock()
        self._cache.purge(now)
        keys = self._due(now) if self._may_send() else ()
        for key in keys:
            self._wanted.pop(key, None)  # before the request, which adds it again if it fails
            self._refresh(key)
            if not self._may_send():
                break
        uncached = self._cache.find_uncached(self._watchers.names)
        retry_at = self._watched_fetched_at + OUTAGE_BACKOFF if uncached else math.inf
        if not self._may_send():
            retry_at = self._chain.retry_at
        return next_refresh(self._cache.snapshot(), self._clock(), retry_at)

    def _may_send(self) -> bool:
        """Return whether a request may be sent now: in an outage each would fail like the last."""
        return self._clock() >= self._chain.retry_at

    def _due(self, now: float) -> Collection[Key]:
        """Return the keys to request now, each once.

        A name that failed is behind those that did not, and behind those that failed before it.
        Otherwise one that always fails would keep the others from being requested in an outage.
        """
        with self._lock:
            if not self._chain.is_unavailable:
                self._wanted.clear()
            wanted = [*self._wanted]
        keys = keys_to_refresh(self._cache.snapshot(), now, self._watchers.names)
        found = dict.fromkeys((*wanted, *keys, *self._watched_to_fetch(now)))
        return sorted(found, key=lambda key: self._chain.failed_at(key[0]))

    def _watched_to_fetch(self, now: float) -> Collection[Key]:
        """Return the watched keys that are not cached, at most once in each OUTAGE_BACKOFF."""
        names = self._cache.find_uncached(self._watchers.names)
        if not names or is_backing_off(self._watched_fetched_at, now):
            return ()
        self._watched_fetched_at = now
        return [*map(current, names)]
