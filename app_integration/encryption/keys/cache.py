"""A least-recently-used cache of unwrapped data keys, with a maximum age."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from app_integration.encryption.keys.data_key import DataKey


class CachedKey:
    """A data key and the time at which it expires.

    A caller that keeps an entry must compare *expires_at* with the keyring's clock at each use; it
    lies in the past as soon as the cache drops the key.
    """

    __slots__ = ("expires_at", "key", "starts", "was_used")

    def __init__(self, key: DataKey, expires_at: float) -> None:
        self.key = key
        self.expires_at = expires_at
        self.starts: dict[int, str | bytes] = {}
        self.was_used = False


class DataKeyCache:
    """Data keys by the names that tokens use for them. Thread-safe.

    *constants* maps the start that all tokens of one data key and value type share to what decrypts
    them, until the key is dropped. It is the same dict for ever, and may be read without the lock.
    A dropped key cannot be wiped, because Python and OpenSSL do not overwrite memory that they
    free.
    """

    def __init__(self, entries: int, max_age: float) -> None:
        """Create an empty cache. *max_age* is in seconds."""
        self._entries = entries
        self._max_age = max_age
        self._keys: OrderedDict[Hashable, CachedKey] = OrderedDict()
        self.constants: dict[str | bytes, Any] = {}
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop every key and recreate the lock.

        At the fork, another thread may have held the old lock, so nothing would ever release it.
        """
        for cached in self._keys.values():
            cached.expires_at = -math.inf
        self._keys = OrderedDict()
        self.constants.clear()
        self._lock = threading.Lock()

    def get(self, name: Hashable, now: float) -> CachedKey | None:
        """Return the entry with *name*, or None; the entry becomes the most recently used."""
        with self._lock:
            cached = self._keys.get(name)
            if cached is None:
                return None
            if now >= cached.expires_at:
                self._drop(name)
                return None
            self._keys.move_to_end(name)
            return cached

    def put(
        self, name: Hashable, key: DataKey, now: float, valid_until: float = math.inf
    ) -> CachedKey:
        """Store *key*, at most until *valid_until*, and return its entry.

        Drops the least recently used entry if the cache is full, and then another one if that has
        expired.
        """
        cached = CachedKey(key, min(now + self._max_age, valid_until))
        with self._lock:
            if name in self._keys:
                self._drop(name)
            if len(self._keys) >= self._entries:
                self._drop(self._find_unused(now)).expires_at = -math.inf
            self._keys[name] = cached
            oldest = next(iter(self._keys))
            if now >= self._keys[oldest].expires_at:
                self._drop(oldest)
        return cached

    def put_constants(
        self, name: Hashable, cached: CachedKey, value_type: int, start: str | bytes, constants: Any
    ) -> None:
        """Store the constants of tokens that begin with *start*, until their key is dropped.

        Stores nothing if the cache has dropped the key.
        """
        with self._lock:
            if self._keys.get(name) is cached:
                cached.starts[value_type] = start
                self.constants[start] = constants

    def _find_unused(self, now: float) -> Hashable:
        """Return the name of the least recently used key. The caller holds the lock.

        A key that was used by its constants is moved to the end once, because such a use does not
        take the lock and cannot move it.
        """
        for _ in range(len(self._keys)):
            name, cached = next(iter(self._keys.items()))
            if not cached.was_used or now >= cached.expires_at:
                break
            cached.was_used = False
            self._keys.move_to_end(name)
        return next(iter(self._keys))

    def _drop(self, name: Hashable) -> CachedKey:
        """Remove the key *name* with its constants. The caller holds the lock."""
        cached = self._keys.pop(name)
        for start in cached.starts.values():
            self.constants.pop(start, None)
        return cached
