"""Progress of a command: its steps, and the bytes of a long one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

#: Takes a step's title and returns a context manager, which is open while the step runs.
Step = Callable[[str], AbstractContextManager[None]]
#: Takes the title of a step and its number of bytes, and returns a context manager, which is open
#: during the step. Its function is called with the number of bytes that were done since the last
#: call.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def no_progress(_title: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show nothing."""
    return nullcontext(lambda _count: None)
