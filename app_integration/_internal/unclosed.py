"""Warnings at exit about resources that were not closed."""

from __future__ import annotations

import atexit
import warnings
import weakref
from collections.abc import Callable
from typing import Protocol


class Closeable(Protocol):
    """An object that must be closed."""

    def describe_unclosed(self) -> str | None:
        """Return a description of the resources that are still open; None if none is."""
        ...


_resources: weakref.WeakSet[Closeable] = weakref.WeakSet()


def warn_at_exit(resource: Closeable) -> None:
    """Warn about *resource* if the process exits before it is closed."""
    _resources.add(resource)


def warn_if_unclosed(resource: Closeable) -> None:
    """Issue a ``ResourceWarning`` if *resource* is still open."""
    message = resource.describe_unclosed()
    if message is not None:
        warnings.warn(f"{message}: call close()", ResourceWarning, stacklevel=2, source=resource)


@atexit.register
def _warn_all() -> None:
    for resource in list(_resources):
        warn_if_unclosed(resource)


def close_at_exit(close: Callable[[], None]) -> None:
    """Call *close* when the process exits, before the warnings about unclosed resources."""
    # Registered after _warn_all, and therefore run before it.
    atexit.register(close)
