"""Snapshot of the server for one plan: one request per path, one hash over all responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app_integration.errors import RequestRefused
from vault.reconcile.planning.response_cache import CachedResponse, ResponseCache
from vault.reconcile.resources import ReadSession


class Snapshot:
    """A reader that requests each path once and caches the response. Thread-safe."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._cache = ResponseCache()

    def get(self, path: str) -> dict[str, Any]:
        """Return the response to a GET of *path*, cached after the first request.

        An exception is cached too, and raised again.
        """
        value: dict[str, Any] = self._cache.fetch(f"GET {path}", lambda: self._session.get(path))
        return value

    def list(self, path: str) -> list[str]:
        """Return the keys below *path*, cached after the first request. See :meth:`get`."""
        value: list[str] = self._cache.fetch(f"LIST {path}", lambda: self._session.list(path))
        return value

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send the request each time: it only computes, so its response is not cached."""
        return self._session.post(path, body)

    def digest(self) -> str:
        """Return a hash over every path read and its response.

        Two hashes are equal if all responses were.
        """
        return self._cache.digest(_comparable)


def _comparable(response: CachedResponse) -> Any:
    """Return the part of a response that repeats: no request id and no lease."""
    error, value = response.error, response.value
    if error is not None:
        return f"status {error.status}" if isinstance(error, RequestRefused) else "failed"
    return sorted(value) if isinstance(value, list) else value.get("data")
