"""Snapshot of the server for one plan: one request per path, one hash over all responses."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app_integration.errors import RequestRefused
from vault.reconcile.resources import ReadSession


@dataclass(slots=True)
class _Response:
    """A response to one request, or its exception, once *is_done* is True."""

    value: Any = None
    error: BaseException | None = None
    is_done: bool = False


class Snapshot:
    """A reader that requests each path once and caches the response. Thread-safe."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        # One condition for all, because one future per response costs a seventh of a plan's time.
        self._changed = threading.Condition()
        self._responses: dict[str, _Response] = {}

    def get(self, path: str) -> dict[str, Any]:
        """Return the response to a GET of *path*, cached after the first request.

        An exception is cached too, and raised again.
        """
        value: dict[str, Any] = self._fetch_once(f"GET {path}", lambda: self._session.get(path))
        return value

    def list(self, path: str) -> list[str]:
        """Return the keys below *path*, cached after the first request. See :meth:`get`."""
        value: list[str] = self._fetch_once(f"LIST {path}", lambda: self._session.list(path))
        return value

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send the request each time: it only computes, so its response is not cached."""
        return self._session.post(path, body)

    def digest(self) -> str:
        """Return a hash over every path read and its response.

        Two hashes are equal if all responses were.
        """
        comparable = {key: _comparable(response) for key, response in self._responses.items()}
        return hashlib.sha256(json.dumps(comparable, sort_keys=True).encode()).hexdigest()

    def _fetch_once(self, key: str, request: Callable[[], Any]) -> Any:
        entry = self._responses.get(key)
        if entry is None:
            response = _Response()
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

    def _fetch(self, response: _Response, request: Callable[[], Any]) -> None:
        try:
            response.value = request()
        except BaseException as error:  # noqa: BLE001 (raised in each waiting thread)
            response.error = error
        with self._changed:
            response.is_done = True
            self._changed.notify_all()


def _comparable(response: _Response) -> Any:
    """Return the part of a response that repeats: no request id and no lease."""
    error, value = response.error, response.value
    if error is not None:
        return f"status {error.status}" if isinstance(error, RequestRefused) else "failed"
    return sorted(value) if isinstance(value, list) else value.get("data")
