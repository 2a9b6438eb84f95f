"""Progress of a command: one line for each step, when it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Steps:
    """Printer of a line for each step, with the seconds that it took.

    It is thread-safe, because rich is. *clock* returns seconds of a monotonic clock.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        """Run one step, and print its line. An exception in the step is marked and raised again."""
        started = self._clock()
        try:
            yield
        except BaseException:
            self.console.print(f"[red]✗[/] {escape(title)}")
            raise
        self.console.print(f"[green]✓[/] {escape(title)} [dim]{self._clock() - started:.1f} s[/]")
