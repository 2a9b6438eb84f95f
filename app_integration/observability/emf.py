"""Counts of accesses in CloudWatch's embedded metric format: lines of a log that become metrics."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from app_integration._internal import fork_safety
from app_integration._internal.background_worker import BackgroundWorker
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.observability import metrics

NAMESPACE: Final = "strongroom"
ACCESSES: Final = "Accesses"
HITS: Final = "CacheHits"
DIMENSIONS: Final = ("Environment", "Service")
_FROM_CACHE: Final = ("hit", "stale")


class EmfWriter:
    """A writer of what the process's recorder has counted, one line in each interval."""

    def __init__(
        self,
        scope: Scope,
        interval: float,
        write: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start to write."""
        self._dimensions = (str(scope.environment), scope.service)
        self._interval = interval
        self._write = write or _write_to_stdout
        self._clock = clock
        self._recorder = metrics.get_recorder()
        self._seen = self._recorder.count_accesses()
        self._worker = BackgroundWorker(self._work, "strongroom-emf", max_interval=interval)
        self._worker.start(interval)
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Forget the parent's counts, because the child's recorder is a new one."""
        self._seen = Counter()

    def resume(self) -> None:
        """Start again in a forked child, once its worker was reset."""
        self._worker.start(self._interval)

    def close(self) -> None:
        """Write what was counted since the last line, and nothing more."""
        self._worker.close()
        # Closing a client is no error because the standard output is closed, or None, or because
        # another recorder was set. The thread has logged either.
        with suppress(OSError, ValueError, AttributeError, ConfigurationError):
            self.flush()

    def _work(self) -> float:
        self.flush()
        return self._interval

    def flush(self) -> None:
        """Write a line, if there was an access since the last one."""
        recorder = metrics.get_recorder()
        if recorder is not self._recorder:
            self._recorder, self._seen = recorder, Counter()
        counts = recorder.count_accesses()
        new, self._seen = counts - self._seen, counts
        if new:
            self._write(f"{json.dumps(self._line(new))}\n")

    def _line(self, counts: Counter[str]) -> dict[str, object]:
        units = [{"Name": name, "Unit": "Count"} for name in (ACCESSES, HITS)]
        metric = {"Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": units}
        return {
            "_aws": {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": [metric]},
            **dict(zip(DIMENSIONS, self._dimensions, strict=True)),
            ACCESSES: counts.total(),
            HITS: sum(counts[outcome] for outcome in _FROM_CACHE),
        }


def _write_to_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
