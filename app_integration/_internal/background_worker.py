"""A background thread that calls a function repeatedly, off the path of the callers."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Final

from app_integration._internal import fork_safety

log = logging.getLogger(__name__)

#: Seconds that the thread sleeps at most, so that a stepped clock cannot delay work for longer.
MAX_INTERVAL: Final = 60.0


class _BackgroundThread(threading.Thread):
    """The thread of a :class:`BackgroundWorker`."""


def is_background() -> bool:
    """Return whether a :class:`BackgroundWorker` runs the caller, and not the application."""
    return isinstance(threading.current_thread(), _BackgroundThread)


class BackgroundWorker:
    """A daemon thread that calls *work* each time it is due.

    The thread starts at the first call of :meth:`start` or :meth:`wake`, never at import, and exits
    when the worker is closed. A forked child has no thread until it starts its own.
    """

    def __init__(
        self,
        work: Callable[[], float],
        name: str,
        *,
        max_interval: float = MAX_INTERVAL,
        retry_interval: float = MAX_INTERVAL,
        weak: bool = False,
    ) -> None:
        """Start no thread yet.

        *work* returns the seconds until its next call, at most *max_interval*; after an exception
        that is *retry_interval*. With *weak*, the bound method *work* does not keep its object
        alive, and the thread exits when that is deleted.
        """
        self._work = weakref.WeakMethod(work) if weak else lambda: work
        self._name = name
        self._max_interval = max_interval
        self._retry_interval = retry_interval
        self._closed = False
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the locks. Threads do not survive a fork."""
        self._lock = threading.Lock()
        self._wake_event = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Return whether this process has started the thread."""
        return self._thread is not None

    @property
    def is_closed(self) -> bool:
        """Return whether :meth:`close` was called."""
        return self._closed

    def wake(self) -> None:
        """Call *work* now; start the thread if there is none."""
        self._wake_event.set()
        self.start(0.0)

    def start(self, after: float) -> None:
        """Start the thread if there is none, and call *work* after *after* seconds."""
        if self._thread is None:
            with self._lock:
                self._start(after)

    def _start(self, after: float) -> None:
        if self._thread is None and not self._closed:
            self._thread = _BackgroundThread(
                target=self._run, args=(self._wake_event, after), name=self._name, daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop the thread for good. It finishes the call of *work* that is under way."""
        self._closed = True
        self._wake_event.set()

    def _run(self, wake_event: threading.Event, delay: float) -> None:
        while not self._closed:
            wake_event.wait(min(delay, self._max_interval))
            wake_event.clear()
            if self._closed:
                return
            work = self._work()
            if work is None:
                return
            try:
                delay = work()
            except Exception as error:  # noqa: BLE001 (the thread must outlive any one failure)
                # Only the type is logged, because the message of a library's exception may hold a
                # secret.
                log.error("%s: %s; will retry", self._name, type(error).__name__)  # noqa: TRY400 (because its traceback may hold one, too)
                delay = self._retry_interval
            del work  # because it would otherwise keep its object alive while the thread sleeps
