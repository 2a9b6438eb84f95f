"""Pool of the sources that addresses ask for; it drops the least recently used one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from console.page.sources.cached_source import CachedSource

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SourcePool(Generic[K, T]):
    """Sources by key, so that what two requests ask for is read once."""

    def __init__(self, build: Callable[[K], CachedSource[T]], most: int) -> None:
        """Build no source yet."""
        self._build = build
        self._most = most
        self._lock = threading.Lock()
        self._sources: dict[K, CachedSource[T]] = {}

    def get(self, key: K) -> CachedSource[T]:
        """Return the source of *key*."""
        with self._lock:
            found = self._sources.pop(key, None) or self._build(key)
            self._sources[key] = found
            if len(self._sources) > self._most:
                del self._sources[next(iter(self._sources))]
            return found
