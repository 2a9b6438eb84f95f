"""Cache of the responses that were read for one plan: one request per key, one hash over all."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class CachedResponse:
    """A response to one request, or its exception, once *is_done* is True."""

    value: Any = None
    error: BaseException | None = None
    is_done: bool = False


class ResponseCache:
    """A cache that makes each request once. Thread-safe."""

    def __init__(self) -> None:
        # One condition for all, because one future per response costs a seventh of a plan's time.
        self._changed = threading.Condition()
        self._responses: dict[str, CachedResponse] = {}

    def fetch(self, key: str, request: Callable[[], Any]) -> Any:
        """Return the result of the first *request* for *key*.

        An exception is cached too, and raised again.
        """
        entry = self._responses.get(key)
        if entry is None:
            response = CachedResponse()
            with self._changed:
                entry = self._responses.setdefault(key, response)
            if entry is response:
                self._fetch(response, request)
        if not entry.is_done:
            with self._changed:
                self._changed.wait_for(lambda: entry.is_done)
        if entry.error is not None:
            raise entry.error
        return entry.value

    def digest(self, comparable: Callable[[CachedResponse], Any]) -> str:
        """Return a hash over every key and the part of its response that *comparable* returns."""
        parts = {key: comparable(response) for key, response in self._responses.items()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _fetch(self, response: CachedResponse, request: Callable[[], Any]) -> None:
        try:
            response.value = request()
        except BaseException as error:  # noqa: BLE001 (raised in each waiting thread)
            response.error = error
        with self._changed:
            response.is_done = True
            self._changed.notify_all()
