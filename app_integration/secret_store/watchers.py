"""Callbacks on changes of secrets."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from app_integration._internal import fork_safety
from app_integration._internal.background_worker import BackgroundWorker
from app_integration.secret import Secret
from app_integration.sources import FetchedSecret

log = logging.getLogger(__name__)

Callback = Callable[[Secret], object]
#: Called with a new response of a source; records the access and calls the application's callback.
Notify = Callable[[FetchedSecret], object]


class Watch:
    """Registration of one callback on one name, until :meth:`cancel`."""

    def __init__(self, name: str, notify: Notify, watchers: ChangeWatchers) -> None:
        self.name = name
        self.notify = notify
        self.cancelled = False
        self._watchers = watchers

    def cancel(self) -> None:
        """Remove the callback. A call that has begun is not interrupted.

        A second cancel changes nothing.
        """
        self.cancelled = True
        self._watchers.remove(self)


class ChangeWatchers:
    """Callbacks on changes, called in a thread of their own.

    Neither a reader nor a refresh waits for a callback. A slow callback that missed several changes
    receives the last one only.
    """

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}
        self._seen: dict[str, FetchedSecret] = {}  # the last response of each name
        self._pending: dict[str, FetchedSecret] = {}  # bounded by the number of watched names
        self._worker = self._new_worker()
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the lock. The callbacks stay registered in a forked child."""
        self._lock = threading.Lock()

    @property
    def names(self) -> frozenset[str]:
        """Return the names that have a callback."""
        return frozenset(self._watches)

    def add(self, name: str, notify: Notify, known: FetchedSecret | None) -> Watch:
        """Register *notify* for changes of *name* from *known*; None is the first response."""
        watch = Watch(name, notify, self)
        with self._lock:
            self._watches.setdefault(name, []).append(watch)
            if known is not None:
                self._seen.setdefault(name, known)
        return watch

    def remove(self, watch: Watch) -> None:
        """Remove *watch*. See :meth:`Watch.cancel`."""
        with self._lock:
            remaining = [each for each in self._watches.get(watch.name, ()) if each is not watch]
            if remaining:
                self._watches[watch.name] = remaining
            else:
                for table in (self._watches, self._seen, self._pending):
                    table.pop(watch.name, None)

    def notify(self, name: str, fetched: FetchedSecret) -> None:
        """Call the callbacks of *name* if *fetched* is a change. A new version alone is none."""
        with self._lock:
            if name not in self._watches:
                return
            known = self._seen.get(name)
            self._seen[name] = fetched
            if known is None or known.value == fetched.value:
                return
            self._pending[name] = fetched
        self._worker.wake()

    def close(self) -> None:
        """Call no further callbacks, until another change is noted."""
        self._worker.close()
        self._worker = self._new_worker()

    def _new_worker(self) -> BackgroundWorker:
        return BackgroundWorker(self._call_pending, "strongroom-callbacks")

    def _call_pending(self) -> float:
        while True:
            with self._lock:
                if not self._pending:
                    return math.inf
                name, fetched = self._pending.popitem()
                watches = list(self._watches.get(name, ()))
            for watch in watches:
                if not watch.cancelled:
                    _call(watch, fetched)


def _call(watch: Watch, fetched: FetchedSecret) -> None:
    try:
        watch.notify(fetched)
    except Exception as error:  # noqa: BLE001 (a failing callback must not keep others from being called)
        # Neither the message nor the traceback is logged, because both may contain the value.
        log.error("a callback on %s failed: %s", watch.name, type(error).__name__)  # noqa: TRY400 (see above)
