"""Metrics of the SDK, recorded by the process's current recorder.

With the extra ``metrics`` installed, they are in Prometheus' default registry under
``strongroom_*``. Without it nothing is recorded. ``docs/reference/Limits.md`` lists the metrics.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from app_integration.errors import StrongroomError
from app_integration.observability.recorder import NullRecorder, Recorder

_P = ParamSpec("_P")
_R = TypeVar("_R")

OK: Final = "ok"


#: Environment label until one is set.
_UNKNOWN: Final = "unknown"


class _State:
    """Recorder of the process and its environment label."""

    def __init__(self) -> None:
        self.environment = _UNKNOWN
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop the recorder in a forked child, because the parent reports its own counts."""
        self.lock = threading.Lock()
        self.recorder: Recorder | None = None


state = _State()
os.register_at_fork(after_in_child=state.reset_after_fork)


def get_recorder() -> Recorder:
    """Return the recorder of the process, which the first call creates."""
    return state.recorder or _create_recorder()


def set_recorder(recorder: Recorder | None) -> None:
    """Record metrics with *recorder* from now on.

    After None, the next use creates a new default one.
    """
    with state.lock:
        state.recorder = recorder


def set_environment(name: str) -> None:
    """Label metrics with the environment *name* from now on."""
    if name != state.environment:
        state.environment = name
        set_recorder(None)


def set_default_environment(name: str) -> None:
    """Label metrics with the environment *name*, unless one was set or a recorder exists."""
    if state.recorder is None and state.environment == _UNKNOWN:
        set_environment(name)


def count_outcomes(operation: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator that records each call as one operation.

    The outcome is ``ok`` or the name of a StrongroomError. Other exceptions are not recorded.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                result = function(*args, **kwargs)
            except StrongroomError as error:
                get_recorder().record_operation(operation, type(error).__name__)
                raise
            get_recorder().record_operation(operation, OK)
            return result

        return call

    return decorate


@contextmanager
def recorded_connection() -> Iterator[None]:
    """Record whether the block, which opens a connection to a database, succeeds.

    The outcome is ``ok`` or the name of the exception, which may be that of the driver.
    """
    try:
        yield
    except Exception as error:
        get_recorder().record_operation("database-connection", type(error).__name__)
        raise
    get_recorder().record_operation("database-connection", OK)


def _create_recorder() -> Recorder:
    with state.lock:
        if state.recorder is None:
            state.recorder = _default_recorder(state.environment)
        return state.recorder


def _default_recorder(environment: str) -> Recorder:
    try:
        import app_integration.observability.prometheus as module  # noqa: PLC0415 (an extra, loaded at first use)
    except ImportError:
        return NullRecorder()
    return module.Prometheus(environment)
