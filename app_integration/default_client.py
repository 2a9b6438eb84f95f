"""Process-wide default client, built from the environment on first use."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from app_integration._internal import unclosed

# Imported on first use, because ``import app_integration`` loads this module.
if TYPE_CHECKING:
    from app_integration.client import Client
    from app_integration.session.session import Session
    from app_integration.settings import Settings

# Reentrant, because a signal handler may close the client while this thread builds it.
_lock = threading.RLock()
#: The client that the environment described last. It is used again while that describes the same
#: settings, so that what was declared at import outlives a close.
_from_environment: Client | None = None
#: The process's client; None if none is in use. Other modules only read it, and only where a
#: call of :func:`peek_default_client` would be a noticeable part of the time.
current: Client | None = None
#: The client of the block of :func:`replaced_by` that runs; None outside of one.
_replacement: Client | None = None


def _reset_after_fork() -> None:
    global _lock  # noqa: PLW0603 (another thread may have held it during the fork)
    _lock = threading.RLock()
    unclosed.close_forked_at_exit(close)


os.register_at_fork(after_in_child=_reset_after_fork)


def get_default_client() -> Client:
    """Return the process's client; build it from the environment on first use."""
    global current, _from_environment  # noqa: PLW0603 (the process-wide objects, behind a lock)
    if (client := current) is not None:
        return client
    from app_integration.client import Client
    from app_integration.settings import from_environment

    with _lock:
        if current is None:
            settings, client = from_environment(), _from_environment
            if client is None or client.settings != settings:
                client = Client(settings)
            # Asked again, because a signal handler may have built one during the construction.
            _from_environment = current = peek_default_client() or client
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


@contextmanager
def replaced_by(client: Client) -> Iterator[None]:
    """Use *client* during the block; then close it, and use the one from before again.

    The one from before stays open, because a fixture of a whole test run may use its connections.
    :func:`close` keeps *client* in use during the block, so that a lifespan that ends in it does
    not lead the rest of a test to the server of the environment.
    """
    global current, _replacement  # noqa: PLW0603 (as above)
    with _lock:
        before, outer = current, _replacement
        current = _replacement = client
    try:
        yield
    finally:
        with _lock:
            last, current, _replacement = peek_default_client(), before, outer
        # The application may have configured another one.
        _close_all({each.close for each in {client, last} - {before} if each is not None})


def close() -> None:
    """Revoke leases and token, and close all connections. It may be called more than once.

    The next use opens them again, also the next use of an engine, pool or client that was created
    before, and callbacks stay registered. The process closes them at its end.
    """
    global current  # noqa: PLW0603 (as above)
    with _lock:
        client = current
        if client is not _replacement:
            current = None
    _close_all(unclosed.reopened | ({client.close} if client else set()))


def _close_all(closers: Collection[Callable[[], object]]) -> None:
    with ExitStack() as stack:  # because it calls the rest even if one fails
        for each in closers:
            stack.callback(each)


# So that a process revokes its leases and its token at exit. If the server is unavailable, they
# expire at the end of their TTL.
unclosed.close_at_exit(close)
