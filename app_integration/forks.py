"""What a forked child must not share with its parent: locks, sockets, tokens, leases, keys.

A lock that another thread held at the moment of the fork is never released in the child, and a
token or lease that both give back is gone for the one that still uses it.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forgetful(Protocol):
    """Something that can begin anew."""

    def forget(self) -> None:
        """Drop all that belongs to the parent process; nothing is sent."""
        ...


_alive: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def forget_in_child(thing: Forgetful) -> None:
    """Have :meth:`Forgetful.forget` called on *thing* in each forked child, while it lives."""
    _alive.add(thing)


def _forget_all() -> None:
    for thing in list(_alive):
        thing.forget()


# A hook and not a look at the pid: that would cost as much as the randomness of a nonce.
os.register_at_fork(after_in_child=_forget_all)
