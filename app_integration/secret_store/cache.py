"""What a store holds at the moment: values, and names known to have none. Bounded both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from app_integration.errors import StrongroomError
from app_integration.secret_store.cache_entry import (
    ASKED_FOR,
    OUTAGE_PAUSE,
    READ,
    Entry,
    Key,
    parts,
)
from app_integration.settings import Limits


@dataclass(frozen=True, slots=True)
class Absence:
    """A name that had no value, or was denied, *since* then and *until* then on the clock.

    Attributes:
        ticket: as in :class:`Entry`; 0 when it isn't known.

    """

    error: StrongroomError
    since: float
    until: float
    ticket: int = 0


class SecretCache:
    """Entries and absences of one store. Thread-safe.

    Attributes:
        entries: what is held; read it freely, change it through the methods.
        inherited: what a forked child got from its parent and has not looked at yet.

    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._absent: dict[Key, Absence] = {}
        self.entries: dict[Key, Entry] = {}
        self.inherited: dict[Key, Entry] = {}
        self._lock = threading.Lock()

    def reset_after_fork(self) -> None:
        """A fresh lock; values are as good in a forked child, which takes them up when it asks."""
        self._lock = threading.Lock()
        self.entries, self.inherited = {}, {**self.inherited, **self.entries}

    def clear(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            for held in (self.entries, self.inherited, self._absent):
                held.clear()

    def adopt_inherited(self) -> bool:
        """Hold what was inherited; whether there was anything."""
        with self._lock:
            found, self.inherited = self.inherited, {}
            self.entries.update(
                {key: each for key, each in found.items() if key not in self.entries}
            )
        return bool(found)

    def snapshot(self) -> list[tuple[Key, Entry]]:
        """All entries at this moment."""
        with self._lock:
            return list(self.entries.items())

    def put(self, key: Key, entry: Entry) -> bool:
        """Hold *entry*; False when what was asked for later is known already: a value, or none."""
        with self._lock:
            later = self.entries.get(key), self._absent.get(key)
            if any(each is not None and each.ticket > entry.ticket for each in later):
                return False
            self._absent.pop(key, None)
            self._insert(key, entry)
        return True

    def _insert(self, key: Key, entry: Entry) -> None:
        """Cache *entry*. Evict others first, so that the new entry itself is never evicted."""
        if self._limits.cache_entries < 1:
            return
        while key not in self.entries and len(self.entries) >= self._limits.cache_entries:
            self._evict()
        self.entries[key] = entry

    def _evict(self) -> None:
        """Evict the oldest entry that no caller has read since its last turn."""
        while True:
            key, oldest = next(iter(self.entries.items()))
            del self.entries[key]
            if oldest.used != READ:
                return
            oldest.used = ASKED_FOR
            self.entries[key] = oldest

    def postpone(self, key: Key, entry: Entry, now: float) -> Entry:
        """Hold *entry* as one to ask for again after a pause: the server was away at *now*."""
        waiting = replace(entry, away_since=now, refresh_at=now + OUTAGE_PAUSE)
        with self._lock:
            if self.entries.get(key) is entry:
                self.entries[key] = waiting
        return waiting

    def drop(self, key: Key) -> None:
        """Hold *key* no longer."""
        with self._lock:
            self.entries.pop(key, None)

    def drop_name(self, name: str) -> None:
        """Hold nothing of *name*, in no version and no field: the server has denied it."""
        self._drop_all(lambda key, _: parts(key)[0] == name)

    def purge(self, now: float) -> None:
        """Let go of what may be served no longer."""
        self._drop_all(lambda _, entry: entry.ends_at <= now)

    def _drop_all(self, gone: Callable[[Key, Entry], bool]) -> None:
        with self._lock:
            for held in (self.entries, self.inherited):
                for key in [key for key, entry in held.items() if gone(key, entry)]:
                    del held[key]

    def remember_missing(
        self, key: Key, error: StrongroomError, now: float, pause: float, ticket: int = 0
    ) -> None:
        """Remember that *key* has no value, because of *error*, for a *pause* from *now*."""
        with self._lock:
            self._absent.pop(key, None)
            self._absent[key] = Absence(error, now, now + pause, ticket)
            while len(self._absent) > self._limits.negative_entries:
                del self._absent[next(iter(self._absent))]

    def absent(self, key: Key, now: float) -> StrongroomError | None:
        """Why *key* has no value, as remembered; a new exception each time, without a traceback."""
        found = self._absent.get(key)
        if found is None or not found.since <= now < found.until:
            return None
        return type(found.error)(*found.error.args)

    def unheld(self, wanted: Collection[str]) -> list[str]:
        """Those *wanted* that are not held."""
        return [name for name in wanted if name not in self.entries]
