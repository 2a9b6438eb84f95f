"""One background thread that refreshes what is held, off the path of those who read it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from app_integration._internal import fork_safety

log = logging.getLogger(__name__)

#: Seconds the thread sleeps at most: bounds what a stepped clock can make it miss.
LONGEST_PAUSE: Final = 60.0


class BackgroundWorker:
    """Runs *work* when it is due. The thread begins at the first :meth:`wake`, never at import.

    A forked child has none until it wakes its own.
    """

    def __init__(self, work: Callable[[], float], name: str) -> None:
        """Args: *work* does what is due and gives the seconds until the next, *name* the thread."""
        self._work = work
        self._name = name
        self._closed = False
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Fresh locks, no thread: the parent's didn't come along."""
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether this process has the thread."""
        return self._thread is not None

    def wake(self) -> None:
        """Have the work looked at again now, by a thread that is begun if need be."""
        self._wanted.set()
        if self._thread is None:
            with self._lock:
                self._begin()

    def _begin(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(
                target=self._run, args=(self._wanted,), name=self._name, daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """End the thread; what it is doing it finishes by itself. It is never begun again."""
        self._closed = True
        self._wanted.set()

    def _run(self, wanted: threading.Event) -> None:
        pause = 0.0
        while not self._closed:
            wanted.wait(min(pause, LONGEST_PAUSE))
            wanted.clear()
            if self._closed:
                return
            try:
                pause = self._work()
            except Exception as error:  # noqa: BLE001 (the thread must outlive any one failure)
                # Without its text: an exception of a library may hold a secret.
                log.error("%s: %s; tried again later", self._name, type(error).__name__)  # noqa: TRY400 (as said)
                pause = LONGEST_PAUSE
