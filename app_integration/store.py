"""The secret cache: freshness, staleness, single flight, fallback, and a record of each access."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from app_integration import forks, metrics, names, redaction
from app_integration.audit import AuditLog
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    AuditFailed,
    SecretNotFound,
    StrongroomError,
)
from app_integration.secret import Secret
from app_integration.settings import Limits
from app_integration.single_flight import SingleFlight
from app_integration.sources import Fetched, Source

log = logging.getLogger(__name__)

#: Stands for "no default given"; ``default=None`` is a default.
REQUIRED: Final[Any] = object()
FALLBACK_TTL: Final = 30.0  # seconds a value from a fallback is served without asking Vault again
#: Seconds between attempts to refresh a value that is served stale: each takes a whole deadline,
#: and somebody waits for it.
OUTAGE_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached value.

    Attributes:
        fetched_at: when, on the store's clock, in seconds.
        fallback: whether a source other than the first gave it.
        ask_again_at: while it is served stale: when the server is asked again, on the clock.
    """

    fetched: Fetched
    fetched_at: float
    fallback: bool = False
    ask_again_at: float = 0.0


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """What is known of a cached secret, without its value.

    Attributes:
        age: seconds since it was fetched.
        stale: whether it is past its time and served only because the server is away.
    """

    name: str
    source: str
    version: int | None
    age: float
    stale: bool


def is_fresh(entry: Entry, now: float, limits: Limits) -> bool:
    """Whether *entry* may be served without asking again."""
    ttl = FALLBACK_TTL if entry.fallback else limits.cache_ttl
    return now - entry.fetched_at < ttl


def is_waiting(entry: Entry, now: float) -> bool:
    """Whether *entry* is served stale without asking: the server was away just now."""
    return now < entry.ask_again_at


def may_serve_stale(entry: Entry, error: StrongroomError, now: float, limits: Limits) -> bool:
    """Whether *entry* may stand in for the answer that *error* kept away."""
    away = isinstance(error, OUTAGE)
    return away and not entry.fallback and now - entry.fetched_at < limits.stale_limit


class SecretStore:
    """Serves secrets from the first source, with the others as fallbacks, through a cache.

    Thread-safe; threads that miss the same name together send one request.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        audit: AuditLog,
        *,
        limits: Limits | None = None,
        register: redaction.Register = redaction.live,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: *clock* in seconds, monotonic."""
        self._primary, *self._fallbacks = sources
        self._audit = audit
        self._limits = limits or Limits()
        self._register = register
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.forget()
        forks.forget_in_child(self)

    def forget(self) -> None:
        """Fresh locks; cached values stay, since they are as good in a forked child."""
        self._flights: SingleFlight[Entry] = SingleFlight()

    def get(self, name: str, *, force_refresh: bool = False, default: Any = REQUIRED) -> Any:
        """The secret *name*; *default* when no source holds a value for it.

        Args:
            name: see :func:`app_integration.names.check_secret_name`.
            force_refresh: ask the server even though the cached value is fresh.
            default: returned as it is for a name without a value. It does not answer for a
                denied name or an absent server.

        Raises:
            InvalidName: before any request.
            SecretNotFound, AccessDenied, ServerError, AuthenticationFailed: see errors.
            AuditFailed: the access couldn't be recorded.
        """
        names.check_secret_name(name)
        cached = None if force_refresh else self._cached(name)
        if cached is not None:
            return self._release(name, cached, "hit")
        try:
            entry = self._flights.do(
                (name, force_refresh), partial(self._fetch, name, force=force_refresh)
            )
        except SecretNotFound:
            if default is REQUIRED:
                self._tell(name, "not-found")
                raise
            self._tell(name, "default")
            return default
        except StrongroomError as error:
            self._tell(name, type(error).__name__)
            raise
        stale = not is_fresh(entry, self._clock(), self._limits)
        return self._release(name, entry, "stale" if stale else "miss")

    def info(self, name: str) -> SecretInfo | None:
        """What is known of *name* without asking for it; None when it isn't cached."""
        entry = self._entries.get(names.check_secret_name(name))
        if entry is None:
            return None
        now = self._clock()
        return SecretInfo(
            name=name,
            source=entry.fetched.source,
            version=entry.fetched.version,
            age=now - entry.fetched_at,
            stale=not is_fresh(entry, now, self._limits),
        )

    def _cached(self, name: str) -> Entry | None:
        entry = self._entries.get(name)
        return entry if entry and is_fresh(entry, self._clock(), self._limits) else None

    def _release(self, name: str, entry: Entry, outcome: str) -> Secret:
        fetched = entry.fetched
        self._tell(
            name,
            outcome,
            source=fetched.source,
            version=fetched.version,
            request_id=fetched.request_id,
        )
        return fetched.value

    def _tell(self, name: str, outcome: str, **details: Any) -> None:
        """Write the access record, and count; what can't be recorded is counted as just that."""
        try:
            self._audit.record("get_secret", name, outcome, **details)
        except AuditFailed:
            metrics.current().access(name, "AuditFailed")
            raise
        metrics.current().access(name, outcome)

    def _fetch(self, name: str, *, force: bool) -> Entry:
        """One flight: what arrived meanwhile, else the server's answer, else what may stand in."""
        arrived, held = self._cached(name), self._entries.get(name)
        if arrived and not force:
            return arrived
        if held and not force and is_waiting(held, self._clock()):
            return held
        try:
            entry = Entry(self._primary.fetch(name), self._clock())
        except StrongroomError as error:
            now = self._clock()
            if held and may_serve_stale(held, error, now, self._limits):
                log.warning("%s is served stale, %.0f s old", name, now - held.fetched_at)
                metrics.current().staleness(name, now - held.fetched_at)
                end = held.fetched_at + self._limits.stale_limit
                waiting = replace(held, ask_again_at=min(now + OUTAGE_PAUSE, end))
                self._entries[name] = waiting
                return waiting
            # Denied, deleted or too old: what we held must not be served again.
            self._entries.pop(name, None)
            entry = self._fall_back(name, error)
        if held and held.fetched.version != entry.fetched.version:
            metrics.current().rotation("secret", name)
        self._keep(name, entry)
        return entry

    def _fall_back(self, name: str, error: StrongroomError) -> Entry:
        """The first fallback's value, or *error* itself.

        A denied name counts too: the server says the same of a name that it doesn't hold.
        """
        if isinstance(error, (SecretNotFound, AccessDenied, *OUTAGE)):
            for source in self._fallbacks:
                try:
                    fetched = source.fetch(name)
                except SecretNotFound:
                    continue
                log.warning("%s comes from %s: %s", name, fetched.source, error)
                return Entry(fetched, self._clock(), fallback=True)
        raise error

    def _keep(self, name: str, entry: Entry) -> None:
        self._register.add(entry.fetched.value)
        metrics.current().staleness(name, 0.0)
        self._entries[name] = entry
        while len(self._entries) > self._limits.cache_entries:
            self._entries.popitem(last=False)
