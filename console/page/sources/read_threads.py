"""Threads in which sources are read, and those for the requests of one source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vault.reconcile.planning.plan import WORKERS

T = TypeVar("T")
R = TypeVar("R")


class ReadThreads:
    """Threads that do not delay the end of the process for ever, but are waited for.

    Python ends such a thread as soon as it returns from DuckDB while the process exits, and DuckDB
    aborts the process then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def spawn(self, run: Callable[[], None]) -> None:
        """Run *run* in a thread."""
        thread = threading.Thread(target=run, name="source", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until all threads have ended, for *seconds* at most."""
        deadline = time.monotonic() + seconds
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def read_all(read: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what *read* returns of each of *items*, in their order.

    After an error, which is raised, none of the others is begun. *read* is called in several
    threads.
    """
    with ThreadPoolExecutor(WORKERS, "source") as pool:
        return list(pool.map(read, items))
