"""End of a long command by a signal, which waits while something is created or removed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _State:
    """State of the main thread, the only one that signals interrupt."""

    depth: int = 0
    is_due: bool = False
    has_ended: bool = False

    def end(self) -> None:
        """Interrupt the command, once."""
        self.is_due = False
        if not self.has_ended:
            self.has_ended = True
            raise KeyboardInterrupt


_state: Final = _State()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End the block as after Ctrl-C when a service manager ends this process.

    Otherwise the temporary files would stay until the next run.
    """
    _state.has_ended = False
    before = {number: signal.signal(number, _on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a signal of :func:`ended_by_signals` wait until the end of the block."""
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1
        if _state.is_due and not _state.depth:
            _state.end()


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    if _state.depth:
        _state.is_due = True
    else:
        _state.end()
