"""Unwrapped data keys held for reading: the last used, none older than a maximum."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Hashable

from app_integration.encryption.keys.data_key import DataKey


class CachedKey:
    """A data key, and until when it is held; a caller that keeps it looks at *expires* each time.

    Attributes:
        key: the data key.
        expires: seconds on the keyring's clock; it is past as soon as the key was dropped.

    """

    __slots__ = ("expires", "key")

    def __init__(self, key: DataKey, expires: float) -> None:
        self.key = key
        self.expires = expires


class DataKeyCache:
    """Data keys by what tokens call them. Thread-safe.

    What is dropped can't be wiped: Python's bytes and OpenSSL's key schedule are freed, not
    overwritten. Nothing here refers to it any longer.
    """

    def __init__(self, entries: int, age: float) -> None:
        """Args: *age* in seconds."""
        self._entries = entries
        self._age = age
        self._keys: OrderedDict[Hashable, CachedKey] = OrderedDict()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Hold nothing, under a new lock: at a fork another thread may have held the old one."""
        for held in self._keys.values():
            held.expires = -math.inf
        self._keys = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, now: float) -> CachedKey | None:
        """What is held under *name*, which is now the last used."""
        with self._lock:
            held = self._keys.get(name)
            if held is None:
                return None
            if now >= held.expires:
                del self._keys[name]
                return None
            self._keys.move_to_end(name)
            return held

    def put(self, name: Hashable, key: DataKey, now: float) -> CachedKey:
        """Hold *key* from now on; the longest unused goes, and whatever is too old."""
        held = CachedKey(key, now + self._age)
        with self._lock:
            self._keys[name] = held
            self._keys.move_to_end(name)
            if len(self._keys) > self._entries:
                _, dropped = self._keys.popitem(last=False)
                dropped.expires = -math.inf
            oldest = next(iter(self._keys))
            if now >= self._keys[oldest].expires:
                del self._keys[oldest]
        return held
