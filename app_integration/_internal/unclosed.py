"""Closing at exit, and warnings about resources that were not closed."""

from __future__ import annotations

import atexit
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Final, Protocol

#: Below those of multiprocessing itself, so that it has sent the results of the child before.
_EXIT_PRIORITY: Final = -100


class Closeable(Protocol):
    """An object that must be closed."""

    def describe_unclosed(self) -> str | None:
        """Return a description of the resources that are still open; None if none is."""
        ...


#: What closes each client that opened again after its owner had closed it. Dropped with the
#: process, or with the next :func:`app_integration.close`.
reopened: set[Callable[[], None]] = set()
#: What is warned about if the process exits before it is closed.
warned_at_exit: weakref.WeakSet[Closeable] = weakref.WeakSet()


def warn_if_unclosed(resource: Closeable) -> None:
    """Issue a ``ResourceWarning`` if *resource* is still open."""
    message = resource.describe_unclosed()
    if message is not None:
        warnings.warn(f"{message}: call close()", ResourceWarning, stacklevel=2, source=resource)


@atexit.register
def _warn_all() -> None:
    for resource in list(warned_at_exit):
        warn_if_unclosed(resource)


def close_at_exit(close: Callable[[], None]) -> None:
    """Call *close* when the process exits, before the warnings about unclosed resources."""
    # Registered after _warn_all, and therefore run before it.
    atexit.register(close)


def close_forked_at_exit(close: Callable[[], None]) -> None:
    """Call *close* when this forked child exits, if multiprocessing starts it. Call it in a fork.

    Such a child runs no function of :mod:`atexit`.
    """
    # It is loaded if it made the fork. It forgets what was registered in it before, but for this.
    if util := sys.modules.get("multiprocessing.util"):
        util.register_after_fork(close, close_child_at_exit)


def close_child_at_exit(close: Callable[[], None]) -> None:
    """Call *close* when this process exits, if it is a child of multiprocessing."""
    # A child of it has loaded both, and another process need not load them.
    process, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("process", "util"))
    if process and util and process.parent_process() is not None:
        util.Finalize(None, close, exitpriority=_EXIT_PRIORITY)
