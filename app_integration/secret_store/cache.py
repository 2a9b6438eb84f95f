"""In-memory cache of one store: secrets, and negative entries for names without a value.

After a failed request it decides whether a secret is kept, to be served stale, or dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeVar

from app_integration.errors import OUTAGE, AccessDenied, StrongroomError
from app_integration.secret_store.cache_entry import (
    FAILED_RETRY,
    READ,
    REQUESTED,
    Entry,
    Key,
    current,
    is_usable_on_outage,
    negative_ttl,
)
from app_integration.settings import Limits

_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class NegativeEntry:
    """Remembered error of a key that has no value or is denied."""

    error: StrongroomError
    since: float
    until: float
    ticket: int = 0

    @property
    def is_outage(self) -> bool:
        """Return whether the error says nothing about the secret itself."""
        return isinstance(self.error, OUTAGE)

    def copy_error(self) -> StrongroomError:
        """Return a new exception with the attributes, and not the traceback, of the error."""
        copied = type(self.error)(*self.error.args)
        vars(copied).update(vars(self.error))
        return copied


class SecretCache:
    """Bounded cache of entries and negative entries. Thread-safe.

    Read *entries*, *negative* and *inherited* freely; change them through the methods only.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.negative: dict[Key, NegativeEntry] = {}
        # Denials by name. They answer no call, but reject earlier responses for every version.
        self._denials: dict[str, NegativeEntry] = {}
        self.entries: dict[Key, Entry] = {}
        self.inherited: dict[Key, Entry] = {}
        self._lock = threading.Lock()

    def reset_after_fork(self) -> None:
        """Recreate the lock, and set the entries aside until the child requests a secret.

        The values stay valid in a forked child; see :meth:`adopt_inherited`.
        """
        self._lock = threading.Lock()
        self.entries, self.inherited = {}, {**self.inherited, **self.entries}

    def clear(self) -> None:
        """Remove all entries, inherited entries and negative entries."""
        with self._lock:
            for table in (self.entries, self.inherited, self.negative, self._denials):
                table.clear()

    def adopt_inherited(self) -> bool:
        """Move the inherited entries into the cache, and return whether there were any.

        An entry that the child has fetched itself stays.
        """
        with self._lock:
            found, self.inherited = self.inherited, {}
            self.entries.update(
                {key: each for key, each in found.items() if key not in self.entries}
            )
        return bool(found)

    def snapshot(self) -> list[tuple[Key, Entry]]:
        """Return a copy of the current entries with their keys."""
        with self._lock:
            return list(self.entries.items())

    def put(self, key: Key, entry: Entry) -> bool:
        """Cache *entry*, or return False because the result of a later request is known."""
        with self._lock:
            if self._find_later(key, entry.ticket) is not None:
                return False
            self.negative.pop(key, None)
            if self._limits.cache_entries > 0:
                # Evict others first, so that the new entry itself is never evicted.
                while key not in self.entries and len(self.entries) >= self._limits.cache_entries:
                    self._evict()
                self.entries[key] = entry
        return True

    def get_latest(self, key: Key, entry: Entry) -> Entry:
        """Return *entry*, or that of a later request for *key*.

        Raises the error of a later request, if that found no value or its name was denied.
        """
        with self._lock:
            later = self._find_later(key, entry.ticket)
        if isinstance(later, NegativeEntry):
            raise later.copy_error()
        return later or entry

    def _find_later(self, key: Key, ticket: int) -> Entry | NegativeEntry | None:
        """Return the result of a request after *ticket*; a denial is about every version."""
        known = self.entries.get(key), self.negative.get(key), self._denials.get(key[0])
        for each in known:
            is_outage = isinstance(each, NegativeEntry) and each.is_outage
            if each is not None and not is_outage and each.ticket > ticket:
                return each
        return None

    def _evict(self) -> None:
        """Evict the oldest entry that no caller has read since its last turn."""
        while True:
            key, oldest = next(iter(self.entries.items()))
            del self.entries[key]
            if oldest.usage != READ:
                return
            oldest.usage = REQUESTED
            self.entries[key] = oldest

    def keep_or_drop(
        self, key: Key, error: StrongroomError, now: float, retry_at: float | None, ticket: int
    ) -> None:
        """Keep the entry of *key* to be served stale if *error* allows that; otherwise drop it.

        *retry_at* is the time of the next attempt in a known outage, None without one.
        """
        cached = self.entries.get(key)
        if cached is not None and is_usable_on_outage(cached, error, now):
            if retry_at is None:
                cached.failed_at = now
            cached.refresh_at = now + FAILED_RETRY if retry_at is None else retry_at
            return
        if isinstance(error, AccessDenied):
            # The policy rule is about the name, so no version may be served.
            name = key[0]
            self._remember(self._denials, name, NegativeEntry(error, now, now, ticket))
            self.drop_name(name)
        else:
            self.drop(key)
        if retry_at is None and (ttl := negative_ttl(key, error, self._limits)):
            self.remember_missing(key, error, now, ttl, ticket)

    def drop(self, key: Key) -> None:
        """Remove the entry of *key*, if there is one."""
        with self._lock:
            self.entries.pop(key, None)

    def drop_name(self, name: str) -> None:
        """Remove the entries of every version and field of *name*, which the server has denied."""
        self._drop_if(lambda key, _: key[0] == name)

    def purge(self, now: float) -> None:
        """Remove the entries that have expired."""
        self._drop_if(lambda _, entry: entry.expires_at <= now)

    def _drop_if(self, is_dropped: Callable[[Key, Entry], bool]) -> None:
        with self._lock:
            for table in (self.entries, self.inherited):
                for key in [key for key, entry in table.items() if is_dropped(key, entry)]:
                    del table[key]

    def remember_missing(
        self, key: Key, error: StrongroomError, now: float, ttl: float, ticket: int = 0
    ) -> None:
        """Add a negative entry for *key*, which answers for *ttl* seconds.

        The oldest negative entries are removed once there are more than the limit.
        """
        self._remember(self.negative, key, NegativeEntry(error, now, now + ttl, ticket))

    def _remember(self, table: dict[_K, NegativeEntry], key: _K, found: NegativeEntry) -> None:
        # A copy, because a traceback keeps the frames of the caller, and what they hold, alive.
        error = found.copy_error()
        with self._lock:
            before = table.pop(key, None)
            later = 0 if before is None or before.is_outage else before.ticket
            table[key] = replace(found, error=error, ticket=max(found.ticket, later))
            while len(table) > self._limits.negative_entries:
                del table[next(iter(table))]

    def get_missing_error(self, key: Key, now: float) -> StrongroomError | None:
        """Return the remembered error of *key*; None if there is no negative entry."""
        found = self.negative.get(key)
        if found is None or not found.since <= now < found.until:
            return None
        return found.copy_error()

    def find_uncached(self, names: Collection[str]) -> list[str]:
        """Return the *names* whose current value is not cached."""
        return [name for name in names if current(name) not in self.entries]
