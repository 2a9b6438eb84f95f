"""One background thread that does what is due, off the path of the callers."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Final

from app_integration._internal import fork_safety

log = logging.getLogger(__name__)

#: Seconds the thread sleeps at most: bounds what a stepped clock can make it miss.
LONGEST_PAUSE: Final = 60.0


class BackgroundWorker:
    """Run *work* when it is due. The thread starts at the first call, never at import.

    It ends when the worker is closed. A forked child has no thread until it starts its own.
    """

    def __init__(
        self,
        work: Callable[[], float],
        name: str,
        *,
        longest: float = LONGEST_PAUSE,
        retry: float = LONGEST_PAUSE,
        weak: bool = False,
    ) -> None:
        """Start no thread yet.

        Args:
            work: does what is due and returns the seconds until it is to be called again.
            name: of the thread.
            longest: seconds between two calls of *work* at most.
            retry: seconds until *work* is called again after it raised.
            weak: whether the thread also ends when nobody else holds the object whose method
                *work* is; otherwise it keeps that object.

        """
        self._work = weakref.WeakMethod(work) if weak else lambda: work
        self._name = name
        self._longest = longest
        self._retry = retry
        self._closed = False
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the locks. Threads do not survive a fork."""
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether this process has started the thread."""
        return self._thread is not None

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def wake(self) -> None:
        """Call *work* now, in a thread that is started if there is none."""
        self._wanted.set()
        self.start(0.0)

    def start(self, after: float) -> None:
        """Start the thread if there is none, and call *work* after so many seconds."""
        if self._thread is None:
            with self._lock:
                self._start(after)

    def _start(self, after: float) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(
                target=self._run, args=(self._wanted, after), name=self._name, daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """End the thread for good; it finishes what it is doing."""
        self._closed = True
        self._wanted.set()

    def _run(self, wanted: threading.Event, pause: float) -> None:
        while not self._closed:
            wanted.wait(min(pause, self._longest))
            wanted.clear()
            if self._closed:
                return
            work = self._work()
            if work is None:
                return
            try:
                pause = work()
            except Exception as error:  # noqa: BLE001 (the thread must outlive any one failure)
                # Without its text: an exception of a library may hold a secret.
                log.error("%s: %s; tried again later", self._name, type(error).__name__)  # noqa: TRY400 (as said)
                pause = self._retry
            del work  # or it would keep its object alive while the thread sleeps
