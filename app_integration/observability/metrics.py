"""What happens, counted: the seam between the SDK and whoever collects figures.

With the extra ``metrics`` installed, figures go to Prometheus' default registry under
``strongroom_*``; without it nothing is counted. ``docs/Env.md`` lists them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast

from app_integration.errors import StrongroomError

_P = ParamSpec("_P")
_R = TypeVar("_R")

OK: Final = "ok"


class Recorder(Protocol):
    """Where figures go. Thread-safe; a call never raises and never waits."""

    def access(self, name: str, outcome: str) -> None:
        """One access of the secret *name*, with the outcome that its access record has."""
        ...

    def counter(self, name: str, outcome: str) -> Callable[[], object]:
        """What does one :meth:`access` with these, for a pair that recurs."""
        ...

    def staleness(self, name: str, age: float) -> None:
        """The secret *name* is served *age* seconds after it was fetched; 0.0: it is fresh."""
        ...

    def record_operation(self, operation: str, outcome: str) -> None:
        """One *operation* ended with ``ok`` or the error.

        Operations: ``request``, ``login``, ``renewal``, ``unwrapping``, ``orphan-lease``.
        """
        ...

    def lease(self, holder: str, seconds: float) -> None:
        """*holder* (``token``, or a database role) may live for *seconds* from now."""
        ...

    def rotation(self, kind: str, name: str) -> None:
        """A newer *kind* (``secret``, ``database``, ``config``) took the place of *name*."""
        ...

    def render(self) -> tuple[bytes, str] | None:
        """Body and content type of a ``/metrics`` page; None when nothing is counted."""
        ...


class NullRecorder:
    """Counts nothing."""

    def access(self, name: str, outcome: str) -> None:
        """As :meth:`Recorder.access`."""

    def counter(self, name: str, outcome: str) -> Callable[[], object]:
        """As :meth:`Recorder.counter`."""
        return partial(self.access, name, outcome)

    def staleness(self, name: str, age: float) -> None:
        """As :meth:`Recorder.staleness`."""

    def record_operation(self, operation: str, outcome: str) -> None:
        """As :meth:`Recorder.record_operation`."""

    def lease(self, holder: str, seconds: float) -> None:
        """As :meth:`Recorder.lease`."""

    def rotation(self, kind: str, name: str) -> None:
        """As :meth:`Recorder.rotation`."""

    def render(self) -> None:
        """Nothing to show."""


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

    See :meth:`Recorder.record_operation`.
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
    recorder: Any = module.Prometheus(environment)
    return cast("Recorder", recorder)
