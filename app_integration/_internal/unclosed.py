"""What should have been given back and wasn't: said when the process ends."""

from __future__ import annotations

import atexit
import warnings
import weakref
from collections.abc import Callable
from typing import Protocol


class Closeable(Protocol):
    """Something that has to be closed."""

    def describe_unclosed(self) -> str | None:
        """What is still held, in words; None when it was given back."""
        ...


_alive: weakref.WeakSet[Closeable] = weakref.WeakSet()


def warn_at_exit(thing: Closeable) -> None:
    """Warn of *thing* when the process ends before it was closed."""
    _alive.add(thing)


def warn_if_unclosed(thing: Closeable) -> None:
    """Warn (``ResourceWarning``) when *thing* still holds something."""
    words = thing.describe_unclosed()
    if words is not None:
        warnings.warn(f"{words}: call close()", ResourceWarning, stacklevel=2, source=thing)


@atexit.register
def _tell_all() -> None:
    for thing in list(_alive):
        warn_if_unclosed(thing)


def close_at_exit(close: Callable[[], None]) -> None:
    """Have *close* called when the process ends; what it gives back is no leak."""
    # After _tell_all was: what is registered last runs first.
    atexit.register(close)
