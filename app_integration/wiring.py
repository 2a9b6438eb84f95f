"""The one set of live objects of the process, made from its environment at first use."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app_integration._internal import unclosed
from app_integration.settings import Settings, from_environment
from app_integration.wired import Wiring, load

if TYPE_CHECKING:
    from app_integration.encryption.cipher import FieldCipher
    from app_integration.secret_store.async_store import AsyncSecretStore
    from app_integration.session.session import Session

__all__ = ["Wiring", "close", "configure", "current", "load", "ready", "ready_cipher"]

_lock = threading.Lock()
_current: Wiring | None = None


def _fresh_lock() -> None:
    global _lock  # noqa: PLW0603 (another thread may have held it at the fork)
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_fresh_lock)


def current() -> Wiring:
    """The process's wiring, made from the environment at first use.

    Raises:
        ConfigurationError: a variable is missing or wrong.
    """
    global _current  # noqa: PLW0603 (the one process-wide object, behind a lock)
    if (wired := _current) is not None:
        return wired
    with _lock:
        if _current is None:
            _current = Wiring(from_environment())
        return _current


def ready() -> AsyncSecretStore | None:
    """The process's secrets for coroutines when they are made already; never waits."""
    wiring = _current
    return None if wiring is None else wiring.async_secrets_if_made


def ready_cipher(key: str) -> FieldCipher | None:
    """The process's cipher of *key* when it is made already; never waits."""
    wiring = _current
    return None if wiring is None else wiring.cipher_if_made(key)


def configure(
    settings: Settings,
    *,
    session: Session | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Wiring:
    """Use *settings* instead of the environment's; closes what was wired before.

    Args:
        settings: of the application.
        session: in place of the one that *settings* describe, as a test has.
        clock: in seconds, monotonic.
    """
    global _current  # noqa: PLW0603 (as above)
    close()
    with _lock:
        _current = wiring = Wiring(settings, session=session, clock=clock)
    return wiring


def close() -> None:
    """Close the process's wiring; the next use makes a new one."""
    global _current
    with _lock:
        wiring, _current = _current, None
    if wiring is not None:
        wiring.close()


# A process that ends gives its leases and its token back; what it can't reach ends by itself.
unclosed.close_at_exit(close)
