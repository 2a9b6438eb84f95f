"""Immediate reloading of a delivered config when its file is replaced.

The folder is watched, not the file: a delivery renames a new file over the old one, and a watch on
the file itself would stay with the old file.
"""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Final, Self

import watchfiles

from app_integration.config.loader import ConfigFile, M, OnChange

#: Milliseconds after which the file is checked without a notification, because the folder itself
#: may have been replaced, be on a file system without notifications, or have changed while the
#: watch started.
POLL_INTERVAL: Final = 1_000
_DEBOUNCE: Final = 50  # milliseconds without another change before a change is reported
STOP_SECONDS: Final = 5.0  # that close() waits for the thread


class WatchedConfig(ConfigFile[M]):
    """A :class:`ConfigFile` with a thread that checks the file when its folder changes.

    A forked child has no such thread. There ``current()`` checks the file, at most once a second.
    """

    def __init__(
        self, model: type[M], path: str | Path | None = None, on_change: OnChange | None = None
    ) -> None:
        """Load the file and start to watch it. See :func:`app_integration.watch_config`."""
        super().__init__(model, path)
        if on_change is not None:
            self.on_change(on_change)
        self._stop = threading.Event()
        # A weak reference, so that the thread does not keep an unused config alive.
        watch = (weakref.ref(self), self.path.parent, self._stop)
        self._thread = threading.Thread(target=_watch, args=watch, name="config-watch", daemon=True)
        self._thread.start()
        weakref.finalize(self, self._stop.set)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _watch(watched: weakref.ref[WatchedConfig[M]], folder: Path, stop: threading.Event) -> None:
    changes = watchfiles.watch(
        folder,
        watch_filter=None,
        step=_DEBOUNCE,
        stop_event=stop,
        rust_timeout=POLL_INTERVAL,
        yield_on_timeout=True,
        recursive=False,
        raise_interrupt=False,
    )
    for _ in changes:
        config = watched()
        if config is None:
            return
        config.reload_if_replaced()
        del config
