"""A delivered config that is followed as soon as its file is replaced.

The folder is watched, not the file: a delivery renames a new file over the old one, and a watch on
the file itself would stay with the one that is gone.
"""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Final, Self

import watchfiles

from app_integration.config.loader import ConfigFile, M, OnChange

#: Milliseconds after which the file is looked at though nobody told of a change: the folder itself
#: may have been replaced, be of a kind that tells nothing, or have changed as the watch began.
LOOK_ANYWAY: Final = 1_000
_SETTLE: Final = 50  # milliseconds without another change before one is told
STOP_SECONDS: Final = 5.0  # that close waits for the thread


class WatchedConfig(ConfigFile[M]):
    """A :class:`ConfigFile` with a thread that looks when its folder changes.

    In a forked child there is no such thread: there ``current()`` looks, once a second.
    """

    def __init__(
        self, model: type[M], path: Path | None = None, on_change: OnChange | None = None
    ) -> None:
        """Load the file and begin to watch; raises as :func:`watch_config`."""
        super().__init__(model, path)
        if on_change is not None:
            self.on_change(on_change)
        self._stop = threading.Event()
        # The thread must not keep a config alive that nobody holds any longer.
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
        step=_SETTLE,
        stop_event=stop,
        rust_timeout=LOOK_ANYWAY,
        yield_on_timeout=True,
        recursive=False,
        raise_interrupt=False,
    )
    for _ in changes:
        config = watched()
        if config is None:
            return
        config.look()
        del config


def watch_config(
    model: type[M], path: Path | None = None, on_change: OnChange | None = None
) -> WatchedConfig[M]:
    """The delivered config at *path* as *model*, followed from now on.

    Args:
        model: a pydantic model class.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.
        on_change: called, in a thread of its own, with the dotted names of the fields that changed,
            once they are in effect.

    Raises:
        ConfigRejected: the file can't be used now. Later on, a bad one changes nothing, is logged,
            and is kept in ``rejected``.

    """
    return WatchedConfig(model, path, on_change)
