"""Public functions for secrets that rotate: their next and previous values, and their changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_integration import default_client
from app_integration._api.secrets import get_async_secrets
from app_integration._internal.callbacks import check_callback
from app_integration.secret import Secret

if TYPE_CHECKING:
    from app_integration.secret_store.watchers import Callback, Watch


def current_and_previous(name: str, *, grace: float | None = None) -> tuple[Secret, Secret | None]:
    """Return the current value of *name* and the one before, to accept tokens made with either.

    Args:
        name: See :func:`get_secret`.
        grace: Seconds after the current version was written in which the previous one is returned;
            None for no limit.

    Returns:
        The current value and the previous one. The latter is None if there is none, if it was
        deleted or destroyed, if *grace* is over, or if the server is unavailable.

    Raises:
        StrongroomError: One of the errors of :func:`get_secret`, for the current value.

    """
    return default_client.get_default_client().secrets.current_and_previous(name, grace=grace)


async def acurrent_and_previous(
    name: str, *, grace: float | None = None
) -> tuple[Secret, Secret | None]:
    """Return the current value of *name* and the one before, without blocking the event loop.

    Args:
        name: See :func:`get_secret`.
        grace: Seconds after the current version was written in which the previous one is returned;
            None for no limit.

    Returns:
        The current value and the previous one. See :func:`current_and_previous`.

    Raises:
        StrongroomError: One of the errors of :func:`get_secret`, for the current value.

    """
    return await (await get_async_secrets()).current_and_previous(name, grace=grace)


def verification_keys(name: str, *, grace: float | None = None) -> tuple[Secret, ...]:
    """Return the keys that may have signed a token: the next, the current and the previous value.

    Sign with the current one, and accept what any of these has signed. A rotation announces the
    next one, if the secret declares ``announce_for``, until each process has it. So no process
    gets a token of a key that it does not know.

    Args:
        name: See :func:`get_secret`.
        grace: Seconds after the current version was written in which the previous one is returned;
            None for no limit.

    Returns:
        The newest first, each value once, without those that :func:`current_and_previous` would
        leave out. A source without versions has the current value only.

    Raises:
        StrongroomError: One of the errors of :func:`get_secret`, for the current value.

    """
    return default_client.get_default_client().secrets.verification_keys(name, grace=grace)


async def averification_keys(name: str, *, grace: float | None = None) -> tuple[Secret, ...]:
    """Return the keys that may have signed a token, without blocking the event loop.

    Args:
        name: See :func:`get_secret`.
        grace: Seconds after the current version was written in which the previous one is returned;
            None for no limit.

    Returns:
        The next, the current and the previous value. See :func:`verification_keys`.

    Raises:
        StrongroomError: One of the errors of :func:`get_secret`, for the current value.

    """
    return await (await get_async_secrets()).verification_keys(name, grace=grace)


def on_change(name: str, callback: Callback) -> Watch:
    """Call *callback* with each new value of *name*, until ``cancel()`` of the result is called.

    The callback runs in a background thread, and each call is recorded before it. Its exceptions
    are logged without the value. A change is noticed within five minutes, or at any forced refresh.
    A value that is cached now does not count as new; if none is, the first value that arrives does
    not either.

    Args:
        name: See :func:`get_secret`.
        callback: A plain function, which takes the new value; no coroutine function.

    Raises:
        InvalidName: If *name* is outside the grammar. Nothing is watched.
        ConfigurationError: If *callback* is no plain function. Nothing is watched.

    """
    check_callback(callback)
    return default_client.get_default_client().secrets.on_change(name, callback)
