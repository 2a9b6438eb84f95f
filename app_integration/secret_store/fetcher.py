"""Gets secrets from their sources, and holds them: single flight, staleness, refresh ahead."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from app_integration._internal.background_worker import BackgroundWorker
from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    DeadlineExceeded,
    SecretNotFound,
    StrongroomError,
)
from app_integration.observability import metrics, redaction
from app_integration.secret_store.cache import SecretCache
from app_integration.secret_store.cache_entry import (
    ASKED_FOR,
    OUTAGE_PAUSE,
    READ,
    UNUSED,
    Entry,
    Key,
    due,
    entry_of,
    is_fresh,
    is_newer,
    is_pausing,
    is_server_unavailable,
    is_waiting,
    may_stand_in,
    negative_ttl,
    next_refresh,
    parts,
)
from app_integration.secret_store.watchers import ChangeWatchers
from app_integration.settings import Limits
from app_integration.sources.chain import Chain

log = logging.getLogger(__name__)

#: Errors that say of a name that it has no value, as far as a client can tell.
NO_VALUE: Final = (SecretNotFound, AccessDenied)

#: Of the deadline, for a call of another's making: its own error, which says more, comes first.
PATIENCE: Final = 1.1

_tickets: Final = itertools.count(1)

Spawn = Callable[[Callable[[], None]], object]


@dataclass(frozen=True)
class FetcherConfig:
    """What a fetcher works with; the parameters of ``SecretStore``."""

    limits: Limits
    clock: Callable[[], float]
    draw: Callable[[], float]
    register: redaction.SecretRegistry
    background: bool
    ttls: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The result of one fetch.

    Attributes:
        entry: the entry to serve.
        server_unavailable: whether it is served because a request for any key would fail now.

    """

    entry: Entry
    server_unavailable: bool = False


class Fetcher:
    """What is held of the secrets of one chain of sources, kept fresh. Thread-safe.

    Attributes:
        cache: values and absences.
        watches: who is told of changes.

    """

    def __init__(self, chain: Chain, tools: FetcherConfig) -> None:
        self._chain = chain
        self._tools = tools
        self._clock = tools.clock
        self.cache = SecretCache(tools.limits)
        self.watches = ChangeWatchers()
        self._refresher = BackgroundWorker(self.refresh_due, "strongroom-refresh")
        self._closed = False
        if not tools.background:
            self._refresher.close()
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._flights: SingleFlight[FetchResult] = SingleFlight()
        self._watched_at = -math.inf  # on the clock: when watched names without a value were tried

    def reset_after_fork(self) -> None:
        """Fresh locks and no threads, in a forked child."""
        self._begin()
        self.cache.reset_after_fork()
        self.watches.reset_after_fork()
        self._refresher.reset_after_fork()

    def resume(self) -> None:
        """Go on watching in a forked child. What is merely cached waits for the child to ask."""
        if self.watches.names:
            self.cache.adopt_inherited()
            self._refresher.wake()

    def close(self) -> None:
        """End the background threads, and let go of every value."""
        self._closed = True
        self._refresher.close()
        self.watches.close()
        self.cache.clear()

    def watch_soon(self) -> None:
        """Have the background thread look at what is watched."""
        self._refresher.wake()

    def ready(self, key: Key) -> Entry | None:
        """What may be served of *key* without asking; None when a source must be asked.

        Raises:
            SecretNotFound, AccessDenied: there was no value just now.

        """
        self._take_up()
        now, entry = self._clock(), self.cache.entries.get(key)
        if entry is not None and is_fresh(entry, now):
            entry.used = READ
            return entry
        if entry is not None and is_waiting(entry, now):
            self._tell_stale(key, entry, now)
            return entry
        if error := self.cache.absent(key, now):
            raise error
        return None

    def _take_up(self) -> None:
        """In a forked child: go on with what it inherited, now that it asks for something."""
        if self.cache.inherited and self.cache.adopt_inherited():
            self._refresher.wake()

    def board(
        self, key: Key, *, force: bool, spawn: Spawn = lambda fly: fly()
    ) -> Future[FetchResult]:
        """The future of asking for *key*; who asks meanwhile shares it.

        Args:
            key: what to ask for.
            force: ask though what is held is fresh.
            spawn: runs what it is given, here or in another thread.

        """
        return self._flights.join((key, force), partial(self._fetch, key, force=force), spawn)

    def ask(self, key: Key, *, force: bool) -> Entry:
        """What :meth:`board` gives, asked for in this thread unless somebody asks already."""
        flight = self.board(key, force=force)
        try:
            # One of a coroutine may be waiting for a thread.
            return flight.result(self._tools.limits.deadline * PATIENCE).entry
        except TimeoutError:
            raise no_thread(self._tools.limits) from None

    def refresh_due(self) -> float:
        """Refresh what is due; gives the seconds until the next look.

        The background thread's work. Tests that turn the clock call it themselves.
        """
        now = self._clock()
        self.cache.purge(now)
        keys = due(self.cache.snapshot(), now, self.watches.names)
        for key in [*keys, *self._watched_without_value(now)]:
            if not self._refresh(key):
                self._postpone(keys)
                break
        unheld = self.cache.unheld(self.watches.names)
        retry_at = self._watched_at + OUTAGE_PAUSE if unheld else math.inf
        return next_refresh(self.cache.snapshot(), self._clock(), retry_at)

    def _watched_without_value(self, now: float) -> Collection[str]:
        names = self.cache.unheld(self.watches.names)
        if not names or is_pausing(self._watched_at, now):
            return ()
        self._watched_at = now
        return names

    def _refresh(self, key: Key) -> bool:
        """Ask for *key* in the background; False when nobody is there to answer."""
        ask = partial(self._fetch, key, force=True, used=UNUSED)
        try:
            # Under the same name as a caller's miss: who comes too late to be served waits for it.
            return not self._flights.do((key, False), ask).server_unavailable
        except OUTAGE as error:
            return not is_server_unavailable(error)
        except StrongroomError as error:
            if not self._closed:  # else it met a session that was closed meanwhile
                log.warning("%s is served no longer: %s", parts(key)[0], error)
            return True

    def _postpone(self, keys: Collection[Key]) -> None:
        """The server is away: spare the other *keys* an attempt of their own."""
        now = self._clock()
        for key in keys:
            entry = self.cache.entries.get(key)
            if entry is not None and entry.refresh_at <= now:
                self.cache.postpone(key, entry, now)

    def _fetch(self, key: Key, *, force: bool, used: int = ASKED_FOR) -> FetchResult:
        """One flight: what arrived meanwhile, else the sources' answer, else what may stand in."""
        if not force and (ready := self.ready(key)) is not None:
            return FetchResult(ready)
        self._take_up()
        held, asked, ticket = self.cache.entries.get(key), self._clock(), next(_tickets)
        try:
            fetched, reason = self._chain.fetch(
                *parts(key),
                enough=lambda error: held is not None and may_stand_in(held, error, self._clock()),
            )
        except StrongroomError as error:
            return self._without(key, held, error, ticket)
        ttl = self._tools.ttls.get(parts(key)[0], self._tools.limits.cache_ttl)
        entry = entry_of(
            *(fetched, asked, ttl, self._tools.limits),
            draw=self._tools.draw(),
            stand_in=reason is not None,
        )
        entry.ticket, entry.used = ticket, used
        if reason is not None and (held is None or held.fetched.source != fetched.source):
            log.warning("%s comes from %s: %s", parts(key)[0], fetched.source, reason)
        self._keep(key, entry, held)
        return FetchResult(entry)

    def _without(
        self, key: Key, held: Entry | None, error: StrongroomError, ticket: int
    ) -> FetchResult:
        """What is served after *error*; raises it when what was held must not be."""
        now = self._clock()
        if held is not None and may_stand_in(held, error, now):
            waiting = self.cache.postpone(key, held, now)
            if not is_fresh(waiting, now):
                self._tell_stale(key, waiting, now)
                metrics.current().staleness(parts(key)[0], now - held.fetched_at)
            return FetchResult(waiting, is_server_unavailable(error))
        if isinstance(error, AccessDenied):
            # The rule is about the name, so no version may be served.
            self.cache.drop_name(parts(key)[0])
        else:
            self.cache.drop(key)
        if isinstance(error, NO_VALUE):
            ttl = negative_ttl(key, self._tools.limits)
            self.cache.remember_missing(key, error, now, ttl, ticket)
        raise error

    def _keep(self, key: Key, entry: Entry, held: Entry | None) -> None:
        self._tools.register.add(entry.fetched.value)
        if self._closed or not self.cache.put(key, entry):
            return
        name = parts(key)[0]
        metrics.current().staleness(name, 0.0)
        if held is not None and held.told_stale:
            log.info("%s is fresh again", name)
        if held is not None and is_newer(entry.fetched, held.fetched):
            metrics.current().rotation("secret", name)
        if isinstance(key, str):
            self.watches.notify(name, entry.fetched)
        self._refresher.wake()

    def _tell_stale(self, key: Key, entry: Entry, now: float) -> None:
        """Say once that *entry* is past its time."""
        with self._lock:
            told, entry.told_stale = entry.told_stale, True
        if not told:
            name, age = parts(key)[0], now - entry.fetched_at
            log.warning("%s is served stale, %.0f s old: the server is away", name, age)
            metrics.current().staleness(name, age)


def no_thread(limits: Limits) -> DeadlineExceeded:
    """What who waited for another's call in vain is told."""
    return DeadlineExceeded(
        f"no thread was free to ask within {limits.deadline} s; raise the limit fetch_threads"
    )
