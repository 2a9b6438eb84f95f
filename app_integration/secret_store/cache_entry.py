"""Cached value of one secret, and the rules for its TTL and refresh: pure functions of the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from app_integration._internal.backoff import BACKOFF_MIN
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    SecretNotFound,
    StrongroomError,
)
from app_integration.observability.recorder import Recorder
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret, Preceding, Version
from app_integration.sources.outage import OUTAGE_BACKOFF

#: Seconds until a cached name that failed alone is requested again: well before it would no longer
#: be served stale.
FAILED_RETRY: Final = OUTAGE_BACKOFF / 2
#: Seconds for which a fallback is served before the first source is requested again.
FALLBACK_TTL: Final = 30.0
#: Errors after which a name gets a negative entry. A server answers both for a name without a
#: value, so a client cannot tell them apart.
NO_VALUE: Final = (SecretNotFound, AccessDenied)

#: Usage of an entry: refreshed in the background and not read yet; fetched for a caller; read again
#: since.
UNUSED, REQUESTED, READ = range(3)

#: Cache key of a value: its name, its version, None for the current one, and its field, None for
#: the one that holds the value.
Key = tuple[str, Version, str | None]


def current(name: str) -> Key:
    """Return the key of the current value of *name*."""
    return name, None, None


@dataclass(frozen=True, slots=True)
class Hit:
    """Prepared access record and counter of an entry's cache hits, reused for each hit."""

    record: Callable[[], None]
    count: Callable[[], object]
    recorder: Recorder


@dataclass(slots=True, eq=False)
class Entry:
    """One cached value. Times are in seconds on the store's clock.

    It was requested, not answered, at *fetched_at*. *ticket* is the order of the request, which
    decides which of two results is newer, because the clock may be set back.
    """

    fetched: FetchedSecret
    fetched_at: float
    fresh_until: float
    refresh_at: float
    expires_at: float
    is_fallback: bool = False
    ticket: int = 0
    failed_at: float = -math.inf
    stale_logged: bool = False
    usage: int = UNUSED
    hit: Hit | None = None


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Result of a fetch or search: ``miss`` if a source answered, else ``hit`` or ``stale``."""

    entry: Entry
    outcome: str


def build_entry(
    fetched: FetchedSecret,
    now: float,
    ttl: float,
    limits: Limits,
    *,
    jitter: float,
    is_fallback: bool = False,
) -> Entry:
    """Return a new entry for *fetched*, which was requested at *now*.

    A TTL may count from the request, so the time of the response would be too late. *jitter*, from
    0 to 1, places the refresh in the second half of the TTL, but early enough to notice an outage.
    """
    expires_in = math.inf if fetched.expires_in is None else fetched.expires_in
    ttl = min(FALLBACK_TTL, ttl, expires_in) if is_fallback else min(ttl, expires_in)
    # A value that expires is never served stale. Neither is a fallback, because it was only the
    # second choice when it was fetched.
    is_never_stale = is_fallback or fetched.expires_in is not None
    return Entry(
        fetched=fetched,
        fetched_at=now,
        fresh_until=now + ttl,
        refresh_at=now + ttl / 2 + jitter * (ttl / 2 - min(limits.deadline, ttl / 4)),
        expires_at=now + (ttl if is_never_stale else max(ttl, limits.stale_limit)),
        is_fallback=is_fallback,
    )


def is_fresh(entry: Entry, now: float) -> bool:
    """Return whether *entry* may be served without another request.

    It may not if the clock was set back to before the request.
    """
    return entry.fetched_at <= now < entry.fresh_until


def is_served_stale(entry: Entry, now: float, *, is_outage: bool) -> bool:
    """Return whether *entry* is served without another request, because of a known outage."""
    return (
        is_outage or is_backing_off(entry.failed_at, now)
    ) and entry.fetched_at <= now < entry.expires_at


def is_backing_off(since: float, now: float) -> bool:
    """Return whether the backoff that began at *since* is not over.

    It is over if the clock was set back to before *since*.
    """
    return since <= now < since + OUTAGE_BACKOFF


def is_usable_on_outage(entry: Entry, error: StrongroomError, now: float) -> bool:
    """Return whether *entry* may be served, stale if need be, after *error*."""
    return isinstance(error, OUTAGE) and entry.fetched_at <= now < entry.expires_at


def keys_to_refresh(
    entries: Collection[tuple[Key, Entry]], now: float, watched: Collection[str]
) -> list[Key]:
    """Return the keys of the *entries* that are to be refreshed now, the longest overdue first.

    An entry that no caller reads and no callback watches is not refreshed, so that it expires.
    """
    due = [
        (entry.refresh_at, key)
        for key, entry in entries
        if entry.refresh_at <= now
        and (entry.usage or (key[0] in watched and key == current(key[0])))
    ]
    return [key for _, key in sorted(due, key=lambda each: each[0])]


def next_refresh(
    entries: Collection[tuple[Key, Entry]], now: float, retry_at: float = math.inf
) -> float:
    """Return the seconds until the next refresh; infinite if there is nothing to refresh."""
    times = [e.refresh_at if e.refresh_at > now else e.expires_at for _, e in entries]
    return max(min([retry_at, *times]) - now, 0.0)


def negative_ttl(key: Key, error: StrongroomError, limits: Limits) -> float:
    """Return the seconds for which a negative entry of *key* answers after *error*; 0.0 for none.

    A version of the past will not appear, so it is not requested again for longer: only an
    operator can undelete it. A version may get a label at any time, though.
    """
    if isinstance(error, OUTAGE):
        return BACKOFF_MIN
    if not isinstance(error, NO_VALUE):
        return 0.0
    is_past = isinstance(key[1], int | Preceding)
    return limits.cache_ttl if is_past else limits.negative_ttl


def is_newer(fetched: FetchedSecret, cached: FetchedSecret) -> bool:
    """Return whether *fetched* replaces *cached*.

    The version decides, or the value if the server changes it under one version.
    """
    return (fetched.version, fetched.value) != (cached.version, cached.value)


def previous_version(fetched: FetchedSecret, grace: float | None, now: float) -> Version:
    """Return the version before *fetched*; None if it is no longer accepted.

    *grace* is in seconds, None for no limit, and *now* since 1970. A value that the server changes
    by itself has no previous one, because its versions say nothing about the value.
    """
    if fetched.expires_in is not None or fetched.version is None:
        return None
    if grace is not None and (fetched.created_at is None or now - fetched.created_at > grace):
        return None
    if isinstance(fetched.version, str):
        return Preceding(fetched.version)
    return fetched.version - 1 or None


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """Metadata of a cached secret, without its value.

    Attributes:
        name: The name of the secret.
        source: The source that answered: ``vault``, ``aws``, ``rendered``, ``environment`` or
            ``dotenv``.
        version: KV version, or the id of a version in AWS; None if the source has no versions.
        age: Seconds since it was requested.
        stale: Whether its TTL is over; it is served only while the server is unavailable.
        next_refresh: Seconds until it is refreshed in the background, if it is in use.

    """

    name: str
    source: str
    version: int | str | None
    age: float
    stale: bool
    next_refresh: float


def info_of(name: str, entry: Entry, now: float) -> SecretInfo:
    """Return the metadata of *name* at *now*, from its *entry*."""
    return SecretInfo(
        name=name,
        source=entry.fetched.source,
        version=entry.fetched.version,
        age=now - entry.fetched_at,
        stale=not is_fresh(entry, now),
        next_refresh=max(entry.refresh_at - now, 0.0),
    )
