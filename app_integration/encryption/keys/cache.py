"""A least-recently-used cache of unwrapped data keys, with a maximum age."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Hashable

from app_integration.encryption.keys.data_key import DataKey


class CachedKey:
    """A data key and the time at which it expires.

    A caller that keeps an entry must compare *expires_at* with the clock at each use.

    Attributes:
        key: The data key.
        expires_at: Seconds on the keyring's clock. It lies in the past as soon as the cache dropped
            the key.

    """

    __slots__ = ("expires_at", "key")

    def __init__(self, key: DataKey, expires_at: float) -> None:
        self.key = key
        self.expires_at = expires_at


class DataKeyCache:
    """Data keys by the names that tokens use for them. Thread-safe.

    A dropped key cannot be wiped: Python and OpenSSL free the memory of its bytes and key schedule,
    but do not overwrite it. The cache only removes its references.
    """

    def __init__(self, entries: int, max_age: float) -> None:
        """Create an empty cache.

        Args:
            entries: The largest number of keys.
            max_age: Seconds after which a key is dropped.

        """
        self._entries = entries
        self._max_age = max_age
        self._keys: OrderedDict[Hashable, CachedKey] = OrderedDict()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop every key and recreate the lock.

        At the fork, another thread may have held the old lock, so nothing would ever release it.
        """
        for cached in self._keys.values():
            cached.expires_at = -math.inf
        self._keys = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, now: float) -> CachedKey | None:
        """Return the entry with *name*, or None; the entry becomes the most recently used."""
        with self._lock:
            cached = self._keys.get(name)
            if cached is None:
                return None
            if now >= cached.expires_at:
                del self._keys[name]
                return None
            self._keys.move_to_end(name)
            return cached

    def put(self, name: Hashable, key: DataKey, now: float) -> CachedKey:
        """Store *key* and return its entry.

        Drops the least recently used entry if the cache is full, and then another one if that has
        expired.
        """
        cached = CachedKey(key, now + self._max_age)
        with self._lock:
            self._keys[name] = cached
            self._keys.move_to_end(name)
            if len(self._keys) > self._entries:
                _, dropped = self._keys.popitem(last=False)
                dropped.expires_at = -math.inf
            oldest = next(iter(self._keys))
            if now >= self._keys[oldest].expires_at:
                del self._keys[oldest]
        return cached
