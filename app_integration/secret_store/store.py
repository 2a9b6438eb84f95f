"""Secret store of a service: each access is checked, converted and recorded."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from app_integration import names
from app_integration.errors import OUTAGE, ConfigurationError, StrongroomError
from app_integration.names import Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import REQUIRED, Secret
from app_integration.secret_store.access_recorder import AccessRecorder
from app_integration.secret_store.cache_entry import (
    READ,
    Entry,
    Key,
    SecretInfo,
    current,
    info_of,
    is_fresh,
    previous_version,
)
from app_integration.secret_store.declared_names import check_declared
from app_integration.secret_store.fetcher import Fetcher
from app_integration.secret_store.required import check_required, list_names
from app_integration.secret_store.watchers import Callback, ChangeWatchers, Watch
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret, Following, Preceding, Source, Version
from app_integration.sources.chain import Chain
from app_integration.sources.outage import Outage

_MAX_LABEL: Final = 256  # characters, as AWS allows


def check_version(name: str, version: Version) -> None:
    """Check the *version* that is requested of the secret *name*."""
    is_named = isinstance(version, Preceding | Following) or (
        # A number as text is a mistake, because no label is a number.
        isinstance(version, str)
        and len(version) <= _MAX_LABEL
        and version.isprintable()
        and not version.isdecimal()
        and version != ""
    )
    if not is_named and (type(version) is not int or version < 1):
        raise ConfigurationError(
            f"version={version!r} of {name}: versions count from 1; pass an int, or on AWS the id "
            "or label of a version, or None"
        )


def check_field(name: str, field: object) -> None:
    """Check the name of a *field* of the secret *name*."""
    if not (isinstance(field, str) and field and field.isprintable()):
        raise ConfigurationError(
            f"field={field!r} of {name} is not printable text; pass the name of a field"
        )


def check_grace(name: str, grace: object) -> None:
    """Check the seconds for which the previous value of *name* is accepted; None is no limit.

    They matter only once there is a previous value, so a wrong type would fail after a rotation.
    """
    if grace is not None and (not isinstance(grace, int | float) or math.isnan(grace)):
        raise ConfigurationError(f"grace={grace!r} of {name}: pass a number of seconds, or None")


class SecretStore:
    """Cached secrets from a chain of sources. Thread-safe.

    Threads and tasks that miss the same name concurrently send one request. A secret that is in use
    is refreshed in the background before its TTL is over.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        audit: AuditLog,
        *,
        scope: Scope | None = None,
        rule: Callable[[str], str] | None = None,
        declared: Collection[str] | None = None,
        development: bool = False,
        limits: Limits | None = None,
        ttls: Mapping[str, float] | None = None,
        watchers: ChangeWatchers | None = None,
        registry: redaction.SecretRegistry = redaction.live,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Create the store. :class:`~app_integration.client.Client` calls this.

        *declared* is None for any name; *ttls* are seconds by name in place of ``cache_ttl``. With
        *development* a later source, then a default, may answer for a denied name.
        """
        self.limits = limits or Limits()
        # A test with its own clock calls `fetcher.refresher.refresh_due` in place of the thread.
        has_thread, wait = clock is time.monotonic, self.limits.deadline
        outages = [Outage(clock, jitter, wait, has_thread=has_thread) for _ in sources]
        chain = Chain(sources, outages, development=development)
        self.fetcher = Fetcher(
            chain,
            watchers or ChangeWatchers(),
            limits=self.limits,
            ttls=ttls or {},
            service=scope.service if scope is not None else "",
            registry=registry,
            clock=clock,
            jitter=jitter,
            has_thread=has_thread,
        )
        self._cache = self.fetcher.cache
        self.access_recorder = AccessRecorder(audit, has_fallback=chain.has_fallback)
        self._rule = rule
        self._declared = declared
        self._clock, self._wall_clock = clock, wall_clock

    def close(self) -> None:
        """Stop the background threads and clear the cache."""
        self.fetcher.close()

    def get(
        self,
        name: str,
        *,
        force_refresh: bool = False,
        default: Any = REQUIRED,
        version: Version = None,
        field: str | None = None,
        as_type: type[Any] | None = None,
    ) -> Any:
        """Return the secret *name*, or *default* without a value. See the public function."""
        key = (name, version, field)
        if not force_refresh and as_type is None and (cached := self.get_cached(key)) is not None:
            return cached
        self.check(name, version, field)
        try:
            result = self.fetcher.fetch(key, force=force_refresh)
        except StrongroomError as error:
            return self.access_recorder.default_or_raise(key, error, default)
        return self.access_recorder.release(key, result, as_type)

    def get_cached(self, key: Key) -> Secret | None:
        """Return the fresh cached value of *key* and record the access; None if there is none."""
        entry = self._cache.entries.get(key)  # a cached key needs no check: it was checked before
        if entry is None or not is_fresh(entry, self._clock()):
            return None
        entry.usage = READ
        self.access_recorder.record_hit(key, entry)
        return entry.fetched.value

    def check(self, name: str, version: Version = None, field: str | None = None) -> None:
        """Check that a request may be sent for this version and field of *name*."""
        names.check_secret_name(name)
        if self._declared is not None:
            check_declared(name, self._declared)
        if version is not None:
            check_version(name, version)
        if field is not None:
            check_field(name, field)

    def get_info(self, name: str) -> SecretInfo | None:
        """Return the metadata of the cached secret *name*; None if none is cached or it expired.

        No request is sent.
        """
        names.check_secret_name(name)
        key, now = current(name), self._clock()
        entry = self._cache.entries.get(key) or self._cache.inherited.get(key)
        return None if entry is None or now >= entry.expires_at else info_of(name, entry, now)

    def on_change(self, name: str, callback: Callback) -> Watch:
        """Call *callback* with each new value of *name*, in a background thread.

        The value that is cached now counts as known, or else the first that arrives. *callback* is
        not called if the record of the call cannot be written.
        """
        self.check(name)
        entry, recorder = self._cache.entries.get(current(name)), self.access_recorder

        def notify(fetched: FetchedSecret) -> None:
            recorder.record_change(name, fetched)
            callback(fetched.value)

        watch = self.fetcher.watchers.add(name, notify, entry.fetched if entry else None)
        self.fetcher.refresher.worker.wake()  # because it fetches *name* if that is not cached
        return watch

    def require(self, wanted: Iterable[str]) -> None:
        """Check that all secrets in *wanted* can be read, and cache them."""
        wanted = list_names(wanted)
        for name in wanted:
            self.check(name)
        self.fetcher.prefetch(wanted)
        check_required(wanted, self.get, self._rule)

    def current_and_previous(
        self, name: str, *, grace: float | None = None
    ) -> tuple[Secret, Secret | None]:
        """Return the current and the previous value of *name*. See the public function."""
        entry, current = self._get_current(name, grace)
        return current, self._get_previous(name, entry, grace)

    def verification_keys(self, name: str, *, grace: float | None = None) -> tuple[Secret, ...]:
        """Return the keys of *name* that may have signed. See the public function."""
        entry, current = self._get_current(name, grace)
        keys = (self._get_next(name, entry), current, self._get_previous(name, entry, grace))
        return tuple(dict.fromkeys(key for key in keys if key is not None))

    def _get_current(self, name: str, grace: float | None) -> tuple[Entry, Secret]:
        """Return the current value and its entry."""
        self.check(name)
        check_grace(name, grace)
        key = current(name)
        try:
            result = self.fetcher.fetch(key)
        except StrongroomError as error:
            self.access_recorder.default_or_raise(key, error, REQUIRED)
            raise
        return result.entry, self.access_recorder.release(key, result, None)

    def _get_next(self, name: str, entry: Entry) -> Secret | None:
        """Return the value after that of *entry*, not after what is current by now."""
        version, value = entry.fetched.version, entry.fetched.next_value
        return self._get_optional(name, Following(version)) if isinstance(version, str) else value

    def _get_previous(self, name: str, entry: Entry, grace: float | None) -> Secret | None:
        """Return the value before that of *entry*, None if it is not accepted or unavailable."""
        version = previous_version(entry.fetched, grace, self._wall_clock())
        return None if version is None else self._get_optional(name, version)

    def _get_optional(self, name: str, version: Version) -> Secret | None:
        """Return a version; None if it does not exist, or in an outage."""
        try:
            found: Secret | None = self.get(name, version=version, default=None)
        except OUTAGE:
            return None
        return found
