"""End of a command by a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import typer

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def end_on_signal() -> Iterator[None]:
    """End the block as after Ctrl-C when a service manager ends this process.

    Otherwise the temporary files would stay until the next run.
    """
    before = {number: signal.signal(number, _abort) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _abort(_number: int, _frame: FrameType | None) -> None:
    raise typer.Abort
