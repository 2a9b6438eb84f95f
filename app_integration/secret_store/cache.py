"""In-memory cache of one store: secrets, and negative entries for names without a value."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from app_integration.errors import StrongroomError
from app_integration.secret_store.cache_entry import (
    READ,
    REQUESTED,
    Entry,
    Key,
    name_of,
)
from app_integration.settings import Limits


@dataclass(frozen=True, slots=True)
class NegativeEntry:
    """Remembered error of a key that has no value or is denied.

    Attributes:
        error: The error that the source raised.
        since: Time when the key was found without a value, on the store's clock.
        until: Time when the key is requested again.
        ticket: Order of the request, see :class:`Entry`; 0 if it is not known.

    """

    error: StrongroomError
    since: float
    until: float
    ticket: int = 0


class SecretCache:
    """Bounded cache of entries and negative entries. Thread-safe.

    Attributes:
        entries: The cached entries. Read them freely; change them through the methods only.
        inherited: The entries that a forked child has from its parent and has not adopted yet.

    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._negative: dict[Key, NegativeEntry] = {}
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
            for table in (self.entries, self.inherited, self._negative):
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
        """Cache *entry* unless the result of a later request is cached already.

        Returns:
            False if *entry* was rejected, because an entry or a negative entry of *key* comes from
            a later request.

        """
        with self._lock:
            known = self.entries.get(key), self._negative.get(key)
            if any(each is not None and each.ticket > entry.ticket for each in known):
                return False
            self._negative.pop(key, None)
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
            if oldest.usage != READ:
                return
            oldest.usage = REQUESTED
            self.entries[key] = oldest

    def drop(self, key: Key) -> None:
        """Remove the entry of *key*, if there is one."""
        with self._lock:
            self.entries.pop(key, None)

    def drop_name(self, name: str) -> None:
        """Remove the entries of every version and field of *name*, which the server has denied."""
        self._drop_if(lambda key, _: name_of(key) == name)

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
        """Add a negative entry for *key*.

        The oldest negative entries are removed once there are more than the limit.

        Args:
            key: The key that has no value or is denied.
            error: The error that the source raised for it.
            now: The current time, on the store's clock.
            ttl: Seconds for which the negative entry answers.
            ticket: Order of the request, see :class:`Entry`; 0 if it is not known.

        """
        with self._lock:
            self._negative.pop(key, None)
            self._negative[key] = NegativeEntry(error, now, now + ttl, ticket)
            while len(self._negative) > self._limits.negative_entries:
                del self._negative[next(iter(self._negative))]

    def get_missing_error(self, key: Key, now: float) -> StrongroomError | None:
        """Return the remembered error of *key*; None if there is no negative entry.

        Each call returns a new exception, so that no caller sees another's traceback.
        """
        found = self._negative.get(key)
        if found is None or not found.since <= now < found.until:
            return None
        return type(found.error)(*found.error.args)

    def find_uncached(self, names: Collection[str]) -> list[str]:
        """Return the *names* whose current value is not cached."""
        return [name for name in names if name not in self.entries]
