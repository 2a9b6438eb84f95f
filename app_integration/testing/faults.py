"""What goes wrong on demand: statuses that the server answers, and connections that fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """One way to go wrong; the value is the status that is answered, 0 for none at all."""

    SEALED = 503
    RATE_LIMITED = 429
    STANDBY = 473
    FAILING = 500
    DENIED = 403
    UNREACHABLE = 0  # no connection: nothing was done
    CUT = -1  # the request was carried out, and the connection cut before its answer
    SLOW = -2  # no answer within the time that the client gives


@dataclass(slots=True)
class _Planned:
    fault: Fault
    path: str  # prefix
    left: float  # requests; infinity for all


class Faults:
    """The faults that are planned; each request takes the first that fits it."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    @contextmanager
    def planned(self, fault: Fault, path: str, times: int | None) -> Iterator[None]:
        """Within the block, *times* requests below *path* meet *fault*; None for all."""
        plan = _Planned(fault, path, float("inf") if times is None else times)
        with self._lock:
            self._planned.append(plan)
        try:
            yield
        finally:
            with self._lock:
                self._planned.remove(plan)

    def take(self, path: str) -> Fault | None:
        """The fault that a request for *path* meets; None for none."""
        with self._lock:
            for plan in self._planned:
                if plan.left > 0 and path.startswith(plan.path):
                    plan.left -= 1
                    return plan.fault
        return None
