"""Reset of state that a forked child must not share with its parent.

That is locks, sockets, tokens, leases and keys: a lock that another thread held during the fork is
never released in the child, and a token or lease that one of them revokes is still used by the
other. A class with a lock, a socket or a thread registers with :func:`reset_in_child`, or its owner
resets it. The default client and the metrics have fork hooks of their own.
"""

from __future__ import annotations

import logging
import os
import weakref
from typing import Protocol

log = logging.getLogger(__name__)


class ForkAware(Protocol):
    """An object that resets itself in a forked child."""

    def reset_after_fork(self) -> None:
        """Drop all state that belongs to the parent process. It must not send anything."""
        ...


_targets: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def reset_in_child(target: ForkAware) -> None:
    """Call :meth:`ForkAware.reset_after_fork` of *target* in each forked child.

    The object is referenced weakly. If it has a method ``resume()``, that is called once all
    objects have been reset.
    """
    _targets.add(target)


def _reset_all() -> None:
    targets = list(_targets)
    for target in targets:
        try:
            target.reset_after_fork()
        except Exception as error:  # noqa: BLE001 (one failure must not prevent the others)
            name, reason = type(target).__name__, type(error).__name__
            log.error("could not reset %s after a fork: %s", name, reason)  # noqa: TRY400 (its message may hold a secret)
    for target in targets:
        # In a second loop, because a background task uses other objects, which must be reset first.
        if resume := getattr(target, "resume", None):
            resume()


# A hook instead of comparing the pid at each use, which would cost as much as generating a nonce.
os.register_at_fork(after_in_child=_reset_all)
