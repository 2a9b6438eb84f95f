"""Who wants to be told when a secret changes."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from app_integration._internal import fork_safety
from app_integration._internal.background_worker import BackgroundWorker
from app_integration.secret import Secret
from app_integration.sources import Fetched

log = logging.getLogger(__name__)

Callback = Callable[[Secret], object]
#: Told of what a source gave; hands the value on once that may be.
Told = Callable[[Fetched], object]


class Watch:
    """One callback on one name, until :meth:`cancel`."""

    def __init__(self, name: str, told: Told, watches: ChangeWatchers) -> None:
        self.name = name
        self.told = told
        self.cancelled = False
        self._watches = watches

    def cancel(self) -> None:
        """Call back no more, apart from a call that has begun. May be called again."""
        self.cancelled = True
        self._watches.remove(self)


class ChangeWatchers:
    """Calls back after changes, on a thread of its own: neither a reader nor a refresh waits.

    Of several changes that a slow callback missed it is given the last.
    """

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}
        self._seen: dict[str, Fetched] = {}  # what the watchers of a name know
        self._pending: dict[str, Fetched] = {}  # by name: bounded by the names that are watched
        self._caller = BackgroundWorker(self._call_back, "strongroom-callbacks")
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """A fresh lock; the watches stay, in a forked child too."""
        self._lock = threading.Lock()

    @property
    def names(self) -> frozenset[str]:
        """The names that are watched."""
        return frozenset(self._watches)

    def add(self, name: str, told: Told, known: Fetched | None) -> Watch:
        """Call *told* with each value of *name* that isn't the one *known* now.

        Without one known, the first that arrives is taken as known.
        """
        watch = Watch(name, told, self)
        with self._lock:
            self._watches.setdefault(name, []).append(watch)
            if known is not None:
                self._seen.setdefault(name, known)
        return watch

    def remove(self, watch: Watch) -> None:
        """As :meth:`Watch.cancel`."""
        with self._lock:
            left = [each for each in self._watches.get(watch.name, ()) if each is not watch]
            if left:
                self._watches[watch.name] = left
            else:
                for table in (self._watches, self._seen, self._pending):
                    table.pop(watch.name, None)

    def notify(self, name: str, fetched: Fetched) -> bool:
        """Note what was *fetched*; True when it is a change, which is then told."""
        with self._lock:
            if name not in self._watches:
                return False
            known = self._seen.get(name)
            self._seen[name] = fetched
            if known is None or _same(known, fetched):
                return False
            self._pending[name] = fetched
        self._caller.wake()
        return True

    def close(self) -> None:
        """Call nobody any more."""
        self._caller.close()

    def _call_back(self) -> float:
        while True:
            with self._lock:
                if not self._pending:
                    return math.inf
                name, fetched = self._pending.popitem()
                watches = list(self._watches.get(name, ()))
            for watch in watches:
                if not watch.cancelled:
                    _call(watch, fetched)


def _same(one: Fetched, other: Fetched) -> bool:
    """Whether a watcher need not be told: the same value written again is no change."""
    return one.value == other.value


def _call(watch: Watch, fetched: Fetched) -> None:
    try:
        watch.told(fetched)
    except Exception as error:  # noqa: BLE001 (one callback must not keep others from being called)
        # Without its text or traceback: both may hold the value.
        log.error("a callback on %s failed: %s", watch.name, type(error).__name__)  # noqa: TRY400 (as said)
