"""Progress: one line for each step, when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.markup import escape

#: Wraps one step with that title.
Step = Callable[[str], AbstractContextManager[None]]


class Steps:
    """Prints a line for each step with the seconds it took. Thread-safe, as rich is."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: *clock* in seconds, monotonic."""
        self.console = console
        self._clock = clock

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        """Wraps one step; an exception in it is marked and passes."""
        began = self._clock()
        try:
            yield
        except BaseException:
            self.console.print(f"[red]✗[/] {escape(title)}")
            raise
        self.console.print(f"[green]✓[/] {escape(title)} [dim]{self._clock() - began:.1f} s[/]")
