"""What is held of each secret, and for how long: pure rules over (entry, now)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from app_integration.errors import OUTAGE, StrongroomError, UnexpectedAnswer
from app_integration.observability.recorder import Recorder
from app_integration.settings import Limits
from app_integration.sources import Fetched

FALLBACK_TTL: Final = 30.0  # seconds a stand-in is served without asking the first source again
#: Seconds between attempts to refresh a value that is served stale: each takes a whole deadline,
#: and somebody waits for it.
OUTAGE_PAUSE: Final = 30.0

#: How an entry was used: fetched ahead and not wanted yet; fetched for a caller; read again since.
UNUSED, ASKED_FOR, READ = range(3)

#: What a value is held under: the bare name for its current version, which spares the common
#: look-up a tuple; else name, version and field.
Key = str | tuple[str, int | None, str | None]


def parts(key: Key) -> tuple[str, int | None, str | None]:
    """Name, version and field of *key*."""
    return (key, None, None) if isinstance(key, str) else key


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit of an entry, to be told again and again.

    Attributes:
        record: writes its access record.
        count: counts it.
        recorder: whose count that is.

    """

    record: Callable[[], None]
    count: Callable[[], object]
    recorder: Recorder


@dataclass(slots=True, eq=False)
class Entry:
    """One cached value. Times are in seconds on the store's clock.

    Attributes:
        fetched_at: when it was asked for.
        fresh_until: until when it is served without asking again.
        refresh_at: when it is asked for again ahead of that, in the background.
        ends_at: when it is served no longer, whatever happens.
        stand_in: whether another source answered for one that was away or said no.
        ticket: the higher, the later it was asked for; a clock may step.
        away_since: when a server was last found away; for a pause it is not asked again.
        told_stale: whether its staleness was logged.
        used: what it was wanted for since: :data:`UNUSED`, :data:`ASKED_FOR` or :data:`READ`.
        hit: what records and counts a hit, once it was prepared.

    """

    fetched: Fetched
    fetched_at: float
    fresh_until: float
    refresh_at: float
    ends_at: float
    stand_in: bool = False
    ticket: int = 0
    away_since: float = -math.inf
    told_stale: bool = False
    used: int = 0
    hit: Hit | None = None


def entry_of(
    fetched: Fetched, now: float, ttl: float, limits: Limits, *, draw: float, stand_in: bool = False
) -> Entry:
    """The entry for what was asked for at *now*.

    Args:
        fetched: what the source gave.
        now: when it was asked: a life that the source tells of may count from then.
        ttl: seconds that the secret is served without asking again, by its settings.
        limits: bounds the life of a stale value.
        draw: from 0 to 1, at random: when it is refreshed between half its time and its end.
        stand_in: as in :class:`Entry`.

    """
    life = math.inf if fetched.expires_in is None else fetched.expires_in
    ttl = min(FALLBACK_TTL, ttl, life) if stand_in else min(ttl, life)
    # What expires is never served stale, nor is a stand-in: it was second choice from the start.
    stale = stand_in or fetched.expires_in is not None
    return Entry(
        fetched=fetched,
        fetched_at=now,
        fresh_until=now + ttl,
        refresh_at=now + ttl * (1 + draw) / 2,
        ends_at=now + (ttl if stale else max(ttl, limits.stale_limit)),
        stand_in=stand_in,
    )


def is_fresh(entry: Entry, now: float) -> bool:
    """Whether *entry* may be served without asking again; not when the clock went back past it."""
    return entry.fetched_at <= now < entry.fresh_until


def is_waiting(entry: Entry, now: float) -> bool:
    """Whether *entry* is served stale without asking: the server was away just now."""
    return is_pausing(entry.away_since, now) and entry.fetched_at <= now < entry.ends_at


def is_pausing(since: float, now: float) -> bool:
    """Whether the pause that began *since* goes on; not when the clock went back past that."""
    return since <= now < since + OUTAGE_PAUSE


def may_stand_in(entry: Entry, error: StrongroomError, now: float) -> bool:
    """Whether *entry* may be served in place of the answer that *error* kept away."""
    return isinstance(error, OUTAGE) and entry.fetched_at <= now < entry.ends_at


def is_server_unavailable(error: StrongroomError) -> bool:
    """Return whether *error* means that a request for any other key would fail too.

    A response of an unexpected shape concerns the key that was requested, so it does not.
    """
    return isinstance(error, OUTAGE) and not isinstance(error, UnexpectedAnswer)


def due(entries: Collection[tuple[Key, Entry]], now: float, watched: Collection[str]) -> list[Key]:
    """Those to refresh now: in use or *watched*, and due. What nobody reads is let lapse."""
    return [
        key
        for key, entry in entries
        if entry.refresh_at <= now and (entry.used or (isinstance(key, str) and key in watched))
    ]


def next_refresh(
    entries: Collection[tuple[Key, Entry]], now: float, retry_at: float = math.inf
) -> float:
    """Return the seconds until the next refresh; infinite if there is nothing to refresh.

    Args:
        entries: the cached entries: each is refreshed, and purged when it ends.
        now: the current time.
        retry_at: the time of the next attempt to fetch what is not cached.

    """
    times = [e.refresh_at if e.refresh_at > now else e.ends_at for _, e in entries]
    return max(min([retry_at, *times]) - now, 0.0)


def negative_ttl(key: Key, limits: Limits) -> float:
    """Return the seconds for which a negative entry of *key* answers.

    A version of the past will not appear, so it is not requested again for longer: only an
    operator can undelete it.
    """
    return limits.negative_ttl if parts(key)[1] is None else limits.cache_ttl


def is_newer(fetched: Fetched, cached: Fetched) -> bool:
    """Return whether *fetched* replaces *cached*.

    The version decides, or the value if the server changes it under one version.
    """
    return (fetched.version, fetched.value) != (cached.version, cached.value)


def previous_version(fetched: Fetched, grace: float | None, now: float) -> int | None:
    """The version before *fetched*, while what was made under it still counts; else None.

    A value that somebody else changes at a known time has none: its versions tell nothing of it.

    Args:
        fetched: the current version.
        grace: seconds since that was written; None for no limit.
        now: seconds since 1970.

    """
    if fetched.expires_in is not None or fetched.version is None:
        return None
    if grace is not None and (fetched.created_at is None or now - fetched.created_at > grace):
        return None
    return fetched.version - 1 or None


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """What is known of a cached secret, without its value.

    Attributes:
        source: what gave it: ``vault``, ``rendered``, ``environment`` or ``dotenv``.
        version: KV version; None where there are none.
        age: seconds since it was fetched.
        stale: whether it is past its time and served only because the server is away.
        next_refresh: seconds until it is asked for again in the background, if it is in use.

    """

    name: str
    source: str
    version: int | None
    age: float
    stale: bool
    next_refresh: float


def info_of(name: str, entry: Entry, now: float) -> SecretInfo:
    """What is known of *name* at *now* by its *entry*."""
    return SecretInfo(
        name=name,
        source=entry.fetched.source,
        version=entry.fetched.version,
        age=now - entry.fetched_at,
        stale=not is_fresh(entry, now),
        next_refresh=max(entry.refresh_at - now, 0.0),
    )
