"""What should have been given back and wasn't: said when the process ends."""

from __future__ import annotations

import atexit
import warnings
import weakref
from collections.abc import Callable
from typing import Protocol


class Held(Protocol):
    """Something that has to be closed."""

    def left_open(self) -> str | None:
        """What is still held, in words; None when it was given back."""
        ...


_alive: weakref.WeakSet[Held] = weakref.WeakSet()


def tell_at_exit(thing: Held) -> None:
    """Warn of *thing* when the process ends before it was closed."""
    _alive.add(thing)


def tell(thing: Held) -> None:
    """Warn (``ResourceWarning``) when *thing* still holds something."""
    words = thing.left_open()
    if words is not None:
        warnings.warn(f"{words}: call close()", ResourceWarning, stacklevel=2, source=thing)


@atexit.register
def _tell_all() -> None:
    for thing in list(_alive):
        tell(thing)


def at_exit(close: Callable[[], None]) -> None:
    """Have *close* called when the process ends; what it gives back is no leak."""
    # After _tell_all was: what is registered last runs first.
    atexit.register(close)
