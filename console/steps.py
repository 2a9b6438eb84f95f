"""Progress of a command: one line for each step, when it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Steps:
    """Printer of a line for each step, with the seconds that it took.

    It is thread-safe, because rich is.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        """Run one step, and print its line. An exception in the step is marked and raised again."""
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self.console.print(f"[red]✗[/] {escape(title)}", highlight=False)
            raise
        seconds = time.monotonic() - started
        self.console.print(f"[green]✓[/] {escape(title)} [dim]{seconds:.1f} s[/]", highlight=False)
