"""What happens, counted: the seam between the SDK and whoever collects figures.

With the extra ``metrics`` installed, figures go to Prometheus' default registry under
``strongroom_*``; without it nothing is counted. ``docs/Env.md`` lists them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from app_integration.errors import StrongroomError
from app_integration.observability.recorder import NullRecorder, Recorder

_P = ParamSpec("_P")
_R = TypeVar("_R")

OK: Final = "ok"


class _State:
    """The one recorder of the process."""

    def __init__(self) -> None:
        self.environment = "unknown"
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """A forked child counts from zero: the parent reports its own."""
        self.lock = threading.Lock()
        self.recorder: Recorder | None = None


_state = _State()
os.register_at_fork(after_in_child=_state.reset_after_fork)


def current() -> Recorder:
    """The process's recorder, made at first use."""
    return _state.recorder or _begin()


def set_recorder(recorder: Recorder | None) -> None:
    """Have figures go to *recorder*; None begins anew with the default one."""
    with _state.lock:
        _state.recorder = recorder


def set_environment(name: str) -> None:
    """Label what is counted from now on with the environment *name*."""
    if name != _state.environment:
        _state.environment = name
        set_recorder(None)


def counted(operation: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Count each call of the decorated function as one *operation*.

    See :meth:`.recorder.Recorder.record_operation`.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                result = function(*args, **kwargs)
            except StrongroomError as error:
                current().record_operation(operation, type(error).__name__)
                raise
            current().record_operation(operation, OK)
            return result

        return call

    return decorate


def _begin() -> Recorder:
    with _state.lock:
        if _state.recorder is None:
            _state.recorder = _default(_state.environment)
        return _state.recorder


def _default(environment: str) -> Recorder:
    try:
        import app_integration.observability.prometheus as module  # noqa: PLC0415 (an extra, loaded at first use)
    except ImportError:
        return NullRecorder()
    return module.Prometheus(environment)
