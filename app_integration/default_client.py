"""The process's one client, made from its environment at first use."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app_integration._internal import unclosed

# The front door loads this module; a process that only imports it needs neither of these.
if TYPE_CHECKING:
    from app_integration.client import Client
    from app_integration.session.session import Session
    from app_integration.settings import Settings

_lock = threading.Lock()
_current: Client | None = None


def _fresh_lock() -> None:
    global _lock  # noqa: PLW0603 (another thread may have held it at the fork)
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_fresh_lock)


def get_default_client() -> Client:
    """The process's client, made from the environment at first use.

    Raises:
        ConfigurationError: a variable is missing or wrong.

    """
    global _current  # noqa: PLW0603 (the one process-wide object, behind a lock)
    if (client := _current) is not None:
        return client
    from app_integration.client import Client
    from app_integration.settings import from_environment

    with _lock:
        if _current is None:
            _current = Client(from_environment())
        return _current


def peek_default_client() -> Client | None:
    """Return the process's client if it is made already, else None; never waits."""
    return _current


def configure(
    settings: Settings,
    *,
    session: Session | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Client:
    """Use *settings* instead of the environment's; closes the client in use.

    Args:
        settings: of the application.
        session: in place of the one that *settings* describe, as a test has.
        clock: in seconds, monotonic.

    """
    global _current  # noqa: PLW0603 (as above)
    from app_integration.client import Client

    close()
    with _lock:
        _current = client = Client(settings, session=session, clock=clock)
    return client


def close() -> None:
    """Close the process's client; the next use makes a new one."""
    global _current
    with _lock:
        client, _current = _current, None
    if client is not None:
        client.close()


# A process that ends gives its leases and its token back; what it can't reach ends by itself.
unclosed.close_at_exit(close)
