"""Process-wide default client, built from the environment on first use."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app_integration._internal import unclosed

# Imported on first use, because ``import app_integration`` loads this module.
if TYPE_CHECKING:
    from app_integration.client import Client
    from app_integration.session.session import Session
    from app_integration.settings import Settings

# Reentrant, because a signal handler may close the client while this thread builds it.
_lock = threading.RLock()
#: The process's client; None if it is not built yet. Other modules only read it, and only where a
#: call of :func:`peek_default_client` would be a noticeable part of the time.
current: Client | None = None


def _reset_after_fork() -> None:
    global _lock  # noqa: PLW0603 (another thread may have held it during the fork)
    _lock = threading.RLock()
    unclosed.close_forked_at_exit(close)


os.register_at_fork(after_in_child=_reset_after_fork)


def get_default_client() -> Client:
    """Return the process's client; build it from the environment on first use.

    Raises:
        ConfigurationError: If a variable is missing or wrong.

    """
    global current  # noqa: PLW0603 (the one process-wide object, behind a lock)
    if (client := current) is not None:
        return client
    from app_integration.client import Client
    from app_integration.settings import from_environment

    with _lock:
        if current is None:
            client = Client(from_environment())
            # Asked again, because a signal handler may have built one meanwhile.
            current = peek_default_client() or client
            unclosed.close_child_at_exit(close)  # a child of a fork server forks before this import
        return current


def peek_default_client() -> Client | None:
    """Return the process's client; None if it is not built yet. It never blocks."""
    return current


def configure(
    settings: Settings,
    *,
    session: Session | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Client:
    """Use *settings* instead of the environment; close the client in use.

    Args:
        settings: Settings of the application.
        session: Replaces the session that *settings* describe, as in a test.
        clock: Monotonic, in seconds.

    """
    global current  # noqa: PLW0603 (as above)
    from app_integration.client import Client

    close()
    with _lock:
        current = client = Client(settings, session=session, clock=clock)
    return client


def close() -> None:
    """Close the process's client. The next use builds a new one."""
    global current
    with _lock:
        client, current = current, None
    if client is not None:
        client.close()


# So that a process revokes its leases and its token at exit. If the server is unavailable, they
# expire at the end of their TTL.
unclosed.close_at_exit(close)
