"""The server as one plan saw it: each path asked for once, and one hash over all answers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from app_integration.errors import RequestRefused
from vault.reconcile.resources import Reader


class Snapshot:
    """A reader that asks for each path once, whichever thread comes first. Thread-safe."""

    def __init__(self, session: Reader) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._answers: dict[str, Future[Any]] = {}

    def get(self, path: str) -> dict[str, Any]:
        """The server's answer, or the one it gave before; raises what it raised."""
        found: dict[str, Any] = self._once(f"GET {path}", lambda: self._session.get(path))
        return found

    def list(self, path: str) -> list[str]:
        """The keys below *path*, as :meth:`get`."""
        found: list[str] = self._once(f"LIST {path}", lambda: self._session.list(path))
        return found

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Passed through and not remembered: for computations that change nothing."""
        return self._session.post(path, body)

    def digest(self) -> str:
        """Hash over every path read and what was there. Two are equal if all answers were."""
        seen = {key: _content(answer) for key, answer in self._answers.items()}
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()

    def _once(self, key: str, ask: Callable[[], Any]) -> Any:
        known = self._answers.get(key)
        if known is None:
            answer: Future[Any] = Future()
            with self._lock:
                known = self._answers.setdefault(key, answer)
            if known is answer:
                _settle(answer, ask)
        return known.result()


def _settle(answer: Future[Any], ask: Callable[[], Any]) -> None:
    try:
        answer.set_result(ask())
    except BaseException as error:  # noqa: BLE001 (whoever waits for it gets it too)
        answer.set_exception(error)


def _content(answer: Future[Any]) -> Any:
    """What is the same when asked again: no request id, no lease."""
    error = answer.exception()
    if error is not None:
        return f"status {error.status}" if isinstance(error, RequestRefused) else "failed"
    found = answer.result()
    return sorted(found) if isinstance(found, list) else found.get("data")
