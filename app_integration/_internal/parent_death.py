"""Signal for a child process at the death of its parent, on Linux."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
#: Loaded before a fork, because a child that has not called exec yet must not import or load.
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def parent_death_hook(number: signal.Signals) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` that has a child get *number* when this process dies.

    It is None on platforms other than Linux.
    """
    return None if _LIBC is None else partial(end_with_parent, os.getpid(), number)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Have this process get a signal when its parent dies. Does nothing on other platforms.

    Exits if *parent* is dead already.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # because it may have died before the line above took effect
        os._exit(1)
