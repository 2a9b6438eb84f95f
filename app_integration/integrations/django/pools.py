"""Pools of this process, which all threads share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from app_integration._internal import fork_safety
from app_integration.client import Client


class PoolRegistry:
    """Pools by name, each with the client whose credentials it uses. Thread-safe."""

    def __init__(self) -> None:
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Forget the parent's pools in a forked child, because their threads are the parent's."""
        self._lock = threading.Lock()
        self._pools: dict[str, tuple[Client, Any]] = {}

    def find(self, name: str) -> Any:
        """Return the pool *name*, or None if there is none."""
        found = self._pools.get(name)
        return None if found is None else found[1]

    def get(self, name: str, client: Client, build: Callable[[], Any]) -> Any:
        """Return the pool *name*; build one if there is none, or only that of another client."""
        with self._lock:
            found = self._pools.get(name)
            if found is None or found[0] is not client:
                found = self._pools[name] = (client, build())
            return found[1]

    def close(self, name: str) -> None:
        """Close the pool *name*, if there is one. Its next use opens another."""
        with self._lock:
            found = self._pools.pop(name, None)
        if found is not None:
            found[1].close()
