"""Check of functions that an application passes to be called later, in a thread."""

from __future__ import annotations

import inspect

from app_integration.errors import ConfigurationError


def check_callback(callback: object) -> None:
    """Check that a thread can call *callback*."""
    if not callable(callback):
        raise ConfigurationError(
            f"on_change: a callback cannot be of type {type(callback).__name__}; pass a function"
        )
    if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(callback.__call__):
        raise ConfigurationError(
            "on_change: a callback runs in a thread, where nothing awaits a coroutine; pass a "
            "plain function, which may call asyncio.run_coroutine_threadsafe"
        )
