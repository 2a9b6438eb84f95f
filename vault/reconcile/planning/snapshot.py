"""The server as one plan saw it: each path asked for once, and one hash over all answers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app_integration.errors import RequestRefused
from vault.reconcile.resources import Reader


@dataclass(slots=True)
class _Answer:
    """What the server said, or what went wrong, once it is *there*."""

    found: Any = None
    error: BaseException | None = None
    there: bool = False


class Snapshot:
    """A reader that asks for each path once, whichever thread comes first. Thread-safe."""

    def __init__(self, session: Reader) -> None:
        self._session = session
        # One for all: a future for each answer would be a seventh of a plan's own work.
        self._changed = threading.Condition()
        self._answers: dict[str, _Answer] = {}

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
            answer = _Answer()
            with self._changed:
                known = self._answers.setdefault(key, answer)
            if known is answer:
                self._settle(answer, ask)
        if not known.there:
            with self._changed:
                self._changed.wait_for(lambda: known.there)
        if known.error is not None:
            raise known.error
        return known.found

    def _settle(self, answer: _Answer, ask: Callable[[], Any]) -> None:
        try:
            answer.found = ask()
        except BaseException as error:  # noqa: BLE001 (whoever waits for it gets it too)
            answer.error = error
        with self._changed:
            answer.there = True
            self._changed.notify_all()


def _content(answer: _Answer) -> Any:
    """What is the same when asked again: no request id, no lease."""
    error, found = answer.error, answer.found
    if error is not None:
        return f"status {error.status}" if isinstance(error, RequestRefused) else "failed"
    return sorted(found) if isinstance(found, list) else found.get("data")
