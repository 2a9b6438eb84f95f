"""The secrets of a service, as its code asks for them: each access checked, typed and recorded."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from app_integration import names
from app_integration._internal import fork_safety
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    ConfigurationError,
    SecretNotFound,
    StrongroomError,
)
from app_integration.names import Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import REQUIRED, Secret
from app_integration.secret_store.access_recorder import AccessRecorder
from app_integration.secret_store.cache_entry import (
    OUTAGE_PAUSE,
    READ,
    Entry,
    Key,
    SecretInfo,
    info_of,
    is_fresh,
    parts,
    previous_version,
)
from app_integration.secret_store.conversion import convert
from app_integration.secret_store.declared_names import check_declared
from app_integration.secret_store.fetcher import Fetcher, FetcherConfig
from app_integration.secret_store.required import missing_secrets
from app_integration.secret_store.watchers import Callback, Watch
from app_integration.settings import Limits
from app_integration.sources import Fetched, Source
from app_integration.sources.chain import Chain


class SecretStore:
    """Serves secrets from a chain of sources, through a cache. Thread-safe.

    Threads and tasks that miss the same name together send one request. What is in use is
    refreshed in the background before its time is over.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        audit: AuditLog,
        *,
        scope: Scope | None = None,
        declared: Collection[str] | None = None,
        development: bool = False,
        limits: Limits | None = None,
        ttls: Mapping[str, float] | None = None,
        register: redaction.SecretRegistry = redaction.live,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Made by the client.

        Args:
            sources: in the order in which they are asked.
            audit: written before each release.
            scope: whose secrets, for the rules in errors.
            declared: the only names that may be asked for; None for any.
            development: whether a later source may answer for a name that the server denies.
            limits: bounds.
            ttls: secret → seconds that it is served without asking, in place of ``cache_ttl``.
            register: told each value, for redaction.
            clock: seconds, monotonic.
            wall: seconds since 1970, to tell the age of a version.
            draw: from 0 to 1, at random, to spread refreshes.

        """
        self.limits = limits or Limits()
        # On a clock that a test turns nothing runs by itself: it calls `fetcher.refresh_due`.
        background = clock is time.monotonic
        tools = FetcherConfig(self.limits, clock, draw, register, background, ttls or {})
        self.fetcher = Fetcher(Chain(sources, development=development), tools)
        self._held = self.fetcher.cache
        self._accesses = AccessRecorder(audit)
        self._scope = scope
        self._declared = declared
        self._clock = clock
        self._wall = wall
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Fresh locks and no threads; cached values stay, as good in a forked child."""
        self.fetcher.reset_after_fork()

    def resume(self) -> None:
        """Go on watching in a forked child."""
        self.fetcher.resume()

    def close(self) -> None:
        """End the background threads, and let go of every value."""
        self.fetcher.close()

    def get(
        self,
        name: str,
        *,
        force_refresh: bool = False,
        default: Any = REQUIRED,
        version: int | None = None,
        field: str | None = None,
        as_type: type[Any] | None = None,
    ) -> Any:
        """The secret *name*; *default* when no source holds a value for it.

        Args:
            name: see :func:`app_integration.names.check_secret_name`.
            force_refresh: ask even though the cached value is fresh, or was absent just now.
            default: returned as it is for a name without a value. It does not answer for a
                denied name or an absent server.
            version: a version of the past; the current one when None.
            field: the key inside the entry.
            as_type: see :func:`.conversion.convert`; a :class:`Secret` when None.

        Raises:
            InvalidName, UndeclaredSecret: before any request.
            SecretNotFound, AccessDenied, WrongType, ServerError, AuthenticationFailed: see errors.
            AuditFailed: the access couldn't be recorded.

        """
        key = name if version is None and field is None else (name, version, field)
        if not force_refresh and as_type is None and (held := self.get_cached(key)) is not None:
            return held
        self.check(key)
        try:
            entry, outcome = self.obtain(key, force=force_refresh)
        except StrongroomError as error:
            return self.without(key, error, default)
        return self.release(key, entry, outcome, as_type)

    def get_cached(self, key: Key) -> Secret | None:
        """The value of *key* while it is fresh, recorded; None for any other.

        Raises:
            AuditFailed: the access couldn't be recorded.

        """
        entry = self._held.entries.get(key)  # a key is held only once it was checked
        if entry is None or not entry.fetched_at <= self._clock() < entry.fresh_until:
            return None
        entry.used = READ
        self._accesses.record_hit(key, entry)
        return entry.fetched.value

    def obtain(self, key: Key, *, force: bool = False) -> tuple[Entry, str]:
        """The entry of *key*, asked for if need be, and the outcome for its record."""
        if not force and (ready := self.fetcher.ready(key)) is not None:
            return ready, self.outcome(ready, "hit")
        return (entry := self.fetcher.ask(key, force=force)), self.outcome(entry, "miss")

    def check(self, key: Key) -> None:
        """Refuse what no request should be sent for.

        Raises:
            InvalidName: the name is outside the grammar.
            UndeclaredSecret: it isn't declared.
            ConfigurationError: no version number, or no field name.

        """
        name, version, field = parts(key)
        names.check_secret_name(name)
        if self._declared is not None:
            check_declared(name, self._declared)
        if version is not None and (type(version) is not int or version < 1):
            raise ConfigurationError(f"version={version!r} of {name}: versions count from 1")
        if field is not None and not field.isprintable():
            raise ConfigurationError(f"field={field!r} of {name}: not printable")

    def outcome(self, entry: Entry, otherwise: str) -> str:
        """``stale``, or *otherwise* for an *entry* that is within its time."""
        return otherwise if is_fresh(entry, self._clock()) else "stale"

    def release(self, key: Key, entry: Entry, outcome: str, as_type: type[Any] | None) -> Any:
        """The value of *entry*, once its record is written."""
        value: Any = entry.fetched.value
        if as_type is not None:
            value = self._converted(parts(key)[0], value, as_type)
        self._accesses.record_release(key, entry, outcome)
        return value

    def _converted(self, name: str, value: Secret, as_type: type[Any]) -> Any:
        try:
            return convert(value, as_type, name)
        except StrongroomError as error:
            self._accesses.record_failure(name, type(error).__name__)
            raise

    def without(self, key: Key, error: StrongroomError, default: Any) -> Any:
        """*default*, when it answers for *error*; else the error, once either is recorded."""
        name = parts(key)[0]
        absent = isinstance(error, SecretNotFound)
        if absent and default is not REQUIRED:
            self._accesses.record_failure(name, "default")
            return default
        self._accesses.record_failure(name, "not-found" if absent else type(error).__name__)
        raise error

    def info(self, name: str) -> SecretInfo | None:
        """What is known of *name* without asking for it; None when nothing may be served of it."""
        names.check_secret_name(name)
        entry = self._held.entries.get(name) or self._held.inherited.get(name)
        now = self._clock()
        return None if entry is None or now >= entry.ends_at else info_of(name, entry, now)

    def on_change(self, name: str, callback: Callback) -> Watch:
        """Call *callback* with each new value of *name*, in a thread that nobody waits for.

        Each call is recorded first, as ``change``; where that fails, it is logged and not made.

        What is cached now counts as known, else the first value that arrives. A change is noticed
        when it is fetched: within ``cache_ttl``, or by any ``force_refresh``.

        Raises:
            InvalidName, UndeclaredSecret: nothing is watched.

        """
        self.check(name)
        entry = self._held.entries.get(name)

        def told(fetched: Fetched) -> None:
            self._accesses.record_change(name, fetched)
            callback(fetched.value)

        watch = self.fetcher.watches.add(name, told, entry.fetched if entry else None)
        self.fetcher.watch_soon()
        return watch

    def require(self, wanted: Iterable[str]) -> None:
        """See that every secret *wanted* can be had; they are cached then.

        Raises:
            SecretsMissing: some can't; it lists each, with the rule to add for one that is denied.
            ServerError, AuthenticationFailed: the server can't be asked.
            InvalidName, UndeclaredSecret: before any request.

        """
        wanted = list(dict.fromkeys(wanted))
        for name in wanted:
            self.check(name)
        missing, denied = [], []
        for name in wanted:
            try:
                self.get(name)
            except SecretNotFound:
                missing.append(name)
            except AccessDenied:
                denied.append(name)
        if missing or denied:
            raise missing_secrets(missing, denied, self._scope)

    def current_and_previous(
        self, name: str, *, grace: float | None = None
    ) -> tuple[Secret, Secret | None]:
        """The value of *name*, and that of the version before it, for what was made under it.

        Args:
            name: see :meth:`get`.
            grace: seconds since the current version was written after which the one before counts
                no more; None: it always counts.

        Returns:
            The current value, and the previous one: None when there is none, when it was deleted
            or destroyed, past *grace*, or while the server that has it is away.

        Raises:
            StrongroomError: as :meth:`get`, for the current version.

        """
        current, key = self.current(name, grace)
        if key is None:
            return current, None
        try:
            return current, self.get(name, version=key[1], default=None)
        except OUTAGE as error:
            self.previous_away(key, error)
            return current, None

    def current(
        self, name: str, grace: float | None
    ) -> tuple[Secret, tuple[str, int, None] | None]:
        """The current value, and the key of the previous one while that still counts."""
        self.check(name)
        try:
            entry, outcome = self.obtain(name)
        except StrongroomError as error:
            return self.without(name, error, REQUIRED), None
        wanted = previous_version(entry.fetched, grace, self._wall())
        value: Secret = self.release(name, entry, outcome, None)
        return value, None if wanted is None else (name, wanted, None)

    def previous_away(self, key: Key, error: StrongroomError) -> None:
        """Don't ask for a previous version again for a while: each attempt takes a deadline."""
        self._held.remember_missing(key, error, self._clock(), OUTAGE_PAUSE)
