"""What a forked child must not share with its parent: locks, sockets, tokens, leases, keys.

A lock that another thread held at the moment of the fork is never released in the child, and a
token or lease that both give back is gone for the one that still uses it.
"""

from __future__ import annotations

import logging
import os
import weakref
from typing import Protocol

log = logging.getLogger(__name__)


class ForkAware(Protocol):
    """An object that can start again in a forked child."""

    def reset_after_fork(self) -> None:
        """Drop all that belongs to the parent process; nothing is sent."""
        ...


_alive: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def reset_in_child(thing: ForkAware) -> None:
    """Call *thing*'s :meth:`ForkAware.reset_after_fork` in each forked child, while it lives.

    A method ``resume()``, if it has one, is called once everything has been reset.
    """
    _alive.add(thing)


def _reset_all() -> None:
    alive = list(_alive)
    for thing in alive:
        try:
            thing.reset_after_fork()
        except Exception as error:  # noqa: BLE001 (what one can't do must not leave the others the parent's)
            log.error("%s after a fork: %s", type(thing).__name__, type(error).__name__)  # noqa: TRY400 (one line says it)
    for thing in alive:
        # Only now: what begins again in the background uses what the others have reset.
        if resume := getattr(thing, "resume", None):
            resume()


# A hook and not a look at the pid: that would cost as much as the randomness of a nonce.
os.register_at_fork(after_in_child=_reset_all)
