"""Faults on demand: error statuses of the server, and failing connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """A kind of failure. A positive value is the HTTP status of the response."""

    SEALED = 503
    RATE_LIMITED = 429
    STANDBY = 473
    FAILING = 500
    DENIED = 403
    UNREACHABLE = 0  # no connection, so that the request has no effect
    CUT = -1  # the request has its effect, but the connection is cut before the response
    SLOW = -2  # no response within the timeout of the client; the request has no effect


@dataclass(slots=True)
class _PlannedFault:
    fault: Fault
    path: str  # prefix
    remaining: float  # requests; infinity for all


class Faults:
    """A list of planned faults. Each request meets the first one for its path."""

    def __init__(self) -> None:
        self._planned: list[_PlannedFault] = []
        self._lock = threading.Lock()

    @contextmanager
    def inject(self, fault: Fault, path: str, times: int | None) -> Iterator[None]:
        """Let requests below *path* meet *fault* during the block."""
        plan = _PlannedFault(fault, path, float("inf") if times is None else times)
        with self._lock:
            self._planned.append(plan)
        try:
            yield
        finally:
            with self._lock:
                self._planned.remove(plan)

    def take(self, path: str) -> Fault | None:
        """Return the fault for the next request to *path*, and count it; None if there is none."""
        with self._lock:
            for plan in self._planned:
                if plan.remaining > 0 and path.startswith(plan.path):
                    plan.remaining -= 1
                    return plan.fault
        return None
