"""Workers of a migration's pass: one in this process, and others by ``migrate work``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from console.commands.personal_data.migration_options import (
    MAX_LAG,
    Duty,
    FlagFile,
    Idle,
    MaxLag,
    Plan,
    Role,
)
from console.commands.personal_data.migration_session import open_migration
from console.options import HostEnv, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.escapes import escape_unprintable, say
from console.views.migration import rest_text
from migration.migration_context import MigrationContext
from migration.pace import DEFAULT_DUTY
from migration.passes.pass_worker import PassWorker
from migration.passes.passes import PassKind
from migration.passes.ranges import PassProgress, Ranges, find_open
from migration.passes.throttle import Limits
from migration.passes.work_reports import Rest

#: Seconds until a worker looks again for a pass.
_LOOK: Final = 5.0

out: Final = Console(soft_wrap=True)


class Workers:
    """Workers of the passes of one command."""

    def __init__(
        self,
        context: MigrationContext,
        command: Sequence[str],
        count: int,
        duty: float,
        limits: Limits,
        out: Console,
    ) -> None:
        """Create the workers. Nothing is started."""
        self._context = context
        self._command = command
        self._count = count
        self._duty = duty
        self._limits = limits
        self._out = out

    def run(self, kind: PassKind, pass_: Ranges) -> None:
        """Work until no range of *pass_* is left.

        See :meth:`PassWorker.run` for the errors. A further worker that fails leaves its ranges to
        the others, and is named.
        """
        with show_progress(self._out, kind) as bar, self._further():
            PassWorker(self._context, bar, self._limits, duty=self._duty).run(kind, pass_)

    @contextmanager
    def _further(self) -> Iterator[None]:
        running = [
            subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            for _ in range(self._count - 1)
        ]
        try:
            yield
        except BaseException:
            for each in running:
                each.terminate()
            raise
        finally:
            for each in running:
                _, error = each.communicate()
                if each.returncode > 0:
                    say(self._out, f"a further worker ended: {error.strip()}")


class Bar:
    """Bar of a pass, with its rows; without a terminal, lines about what holds its worker."""

    def __init__(self, bars: Progress, title: str) -> None:
        """Add the bar to *bars*."""
        self._bars = bars
        self._title = title
        self._task = bars.add_task(title, total=None, rows=0, rest="")
        self._is_held = False

    def show(self, progress: PassProgress) -> None:
        """Show how far the pass is."""
        self._bars.update(self._task, completed=progress.rows, rows=progress.rows)

    def show_rest(self, rest: Rest) -> None:
        """Show how fast the workers are, and what is left."""
        total = self._bars.tasks[0].completed + rest.rows
        self._bars.update(self._task, total=total, rest=f". {rest_text(rest)}")

    def show_hold(self, reason: str | None) -> None:
        """Show why the worker waits; None if it works."""
        if self._bars.disable:
            self._log_hold(reason)
        held = "" if reason is None else f", held: {escape(escape_unprintable(reason))}"
        self._bars.update(self._task, description=f"{self._title}{held}")

    def _log_hold(self, reason: str | None) -> None:
        """Print a line if the worker was let go on, or is held and was not."""
        if self._is_held != (reason is not None):
            self._is_held = reason is not None
            held = "goes on" if reason is None else f"is held: {reason}"
            say(self._bars.console, f"{self._title} {held}.")

    def warn(self, message: str) -> None:
        """Show what a person should know."""
        say(self._bars.console, message)


@contextmanager
def show_progress(out: Console, kind: PassKind) -> Iterator[Bar]:
    """Yield a bar, which prints lines about holds alone if *out* is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows{task.fields[rest]}"),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bars:
        yield Bar(bars, str(kind))


def work(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    duty: Duty = DEFAULT_DUTY,
    flag_file: FlagFile = None,
    max_lag: MaxLag = MAX_LAG,  # type: ignore[assignment] # typer parses it
    idle: Idle = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Work on the pass that another command runs, as a further worker, until it is done."""
    with open_migration(plan, open_target(env, root), role) as migration:
        context = migration.context
        while (found := await_pass(context, idle or 0)) is not None:
            kind = PassKind(found.split()[0])
            with show_progress(out, kind) as bar:
                PassWorker(context, bar, Limits(flag_file, max_lag), duty=duty).run(
                    kind, Ranges(context.name, found)
                )
            if not idle:
                return
        say(out, f"{context.name}: no pass runs now.")


def await_pass(context: MigrationContext, idle: int) -> str | None:
    """Return the name of the pass that runs, None if none does for *idle* seconds."""
    clock, sleep = context.pacing.clock, context.pacing.sleep
    end = clock() + idle
    while True:
        with context.connect() as connection:
            context.require_state(connection)
            found = find_open(connection, context.name)
        if found is not None or clock() >= end:
            return found
        sleep(_LOOK)


def worker_command(
    plan: Path, env: str, role: str | None, duty: float, limits: Limits, root: Path
) -> list[str]:
    """Return the command of a further worker."""
    options = ["--env", env, "--duty", str(duty), "--max-lag", f"{limits.seconds:.0f}s"]
    options += ["--root", str(root)]
    if limits.flag is not None:
        options += ["--flag-file", str(limits.flag)]
    if role is not None:
        options += ["--role", role]
    # -P, because the current folder may have modules of its own with the names of the tool's.
    return [sys.executable, "-P", "-m", "console", "migrate", "work", str(plan), *options]
