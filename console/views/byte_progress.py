"""Progress of a command that reads or writes many bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from vault.progress import Progress, no_progress


@contextmanager
def show_progress(console: Console) -> Iterator[Progress]:
    """Yield a function that shows a bar for each step, with an estimate of the time.

    It shows nothing if *console* is not a terminal.
    """
    if not console.is_terminal:
        yield no_progress
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:

        @contextmanager
        def step(title: str, total: int) -> Iterator[Callable[[int], None]]:
            task = bars.add_task(escape(title), total=max(total, 1))
            yield lambda count: bars.advance(task, count)
            bars.update(task, completed=max(total, 1))

        yield step
