"""Commands ``migrate``: plaintext columns to encrypted ones, while the application runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

from app_integration.errors import ConfigurationError
from console import migration_view as view
from console import operate
from console.escapes import say
from console.migration_session import open_migration
from console.migration_workers import Workers, show_progress, worker_command
from console.options import HostEnv, Root, build_duration_parser
from migration import states, way_back
from migration import status as migration_status
from migration.course import Course, Waiting
from migration.forecast import forecast
from migration.guard import bypasses
from migration.migration_context import MigrationContext
from migration.pace import DEFAULT_DUTY, MIN_DUTY
from migration.passes import ranges
from migration.passes.pass_worker import PassWorker
from migration.passes.passes import PassKind
from migration.passes.ranges import Ranges
from migration.passes.throttle import DEFAULT_LAG, Limits
from migration.stage import Stage
from migration.states import State

#: It waits for a time without bypassing writers.
WAITS: Final = 2

out = Console(soft_wrap=True)


class _Group(TyperGroup):
    """Group whose command ``run`` may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="Encrypt plaintext columns of a database in use. 'migrate PLAN' is 'migrate run PLAN'.",
)

Plan = Annotated[
    Path, typer.Argument(help="the plan of the migration", exists=True, dir_okay=False)
]
Role = Annotated[
    str | None,
    typer.Option("--role", help="a database role of the service, in place of the default one"),
]
Duty = Annotated[
    float,
    typer.Option(
        "--duty", min=MIN_DUTY, max=1, help="the largest part of its time that a worker works"
    ),
]
FlagFile = Annotated[
    Path | None, typer.Option("--flag-file", help="workers wait while this file exists")
]
MaxLag = Annotated[
    int,
    typer.Option(
        "--max-lag",
        parser=build_duration_parser("--max-lag"),
        metavar="DURATION",
        help="workers wait while a replica is further behind",
    ),
]
Free = Annotated[
    int | None,
    typer.Option(
        "--free",
        min=0,
        help="megabytes free where the database keeps its files, if that is not here",
    ),
]
_MAX_LAG: Final = f"{DEFAULT_LAG:.0f}s"
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


@app.command()
def run(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="the number of processes")
    ] = 1,
    duty: Duty = DEFAULT_DUTY,
    flag_file: FlagFile = None,
    max_lag: MaxLag = _MAX_LAG,  # type: ignore[assignment] # typer parses it
    wait: Annotated[bool, typer.Option("--wait", help="wait for the quiet time")] = False,
    postpone: Annotated[
        bool, typer.Option("--postpone", help="stop before reads may be switched")
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", help="remove the plaintext, after asking")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="drop its columns, after asking")] = False,
    free: Free = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="the same as 'migrate plan'")] = False,
    yes: Yes = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Go on with a migration until reads may be switched. Exit code 2 if it must wait.

    Run the command again to continue, also after a kill.
    """
    to = _find_target(postpone=postpone, null=null, drop=drop)
    if dry_run:
        show_plan(plan, env, role, duty, free, root=root)
        return
    limits = Limits(flag_file, max_lag)
    command = worker_command(plan, env, role, duty, limits, root)
    with open_migration(plan, env, root, role, free, duty) as context:
        _check_order(context, to)
        if not yes:
            _confirm_loss(context, to)
        running = Workers(context, command, workers, duty, limits, out)
        course = Course(context, running.run, lambda stage: say(out, view.entered(stage)))
        waiting = _advance(course, context, to, wait=wait)
        if to is Stage.DROPPED:
            say(out, view.backups_left(context.plan, _read(context).since))
    if waiting is not None:
        raise typer.Exit(WAITS)


@app.command("plan")
def show_plan(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    duty: Duty = DEFAULT_DUTY,
    free: Free = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show what each stage does, locks and takes, and what ends with the columns."""
    with (
        open_migration(plan, env, root, role, free, duty) as context,
        context.connect() as connection,
    ):
        if context.read_state(connection) is None:
            forecast.check_plan(context, context.read_table(connection))
        found = forecast.read(context, connection)
        if as_json:
            typer.echo(json.dumps(view.plan_document(found), indent=2))
            return
        for line in view.plan_lines(found):
            say(out, line)


@app.command()
def status(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show how far a migration is, who bypasses it, and what happened to it."""
    with open_migration(plan, env, root, role) as context, context.connect() as connection:
        found = migration_status.read(context, connection)
        if as_json:
            typer.echo(json.dumps(view.document(context.plan, found), indent=2))
            return
        for line in view.status_lines(context.plan, found):
            say(out, line)


@app.command()
def pause(plan: Plan, env: HostEnv, role: Role = None, root: Root = operate.DEFAULT_ROOT) -> None:
    """Let the workers of a migration wait, wherever they run."""
    _pause(plan, env, role, root, is_paused=True)


@app.command()
def resume(plan: Plan, env: HostEnv, role: Role = None, root: Root = operate.DEFAULT_ROOT) -> None:
    """Let the workers of a migration go on."""
    _pause(plan, env, role, root, is_paused=False)


@app.command()
def throttle(
    plan: Plan,
    env: HostEnv,
    duty: Annotated[
        float | None,
        typer.Option("--duty", min=MIN_DUTY, max=1, help="without it, what each was started with"),
    ] = None,
    role: Role = None,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Change the largest part of its time that each worker works, wherever it runs."""
    with open_migration(plan, env, root, role) as context, context.connect() as connection:
        context.require_state(connection)
        states.throttle(connection, context.name, duty)
        say(out, f"{context.name}: duty {'as started' if duty is None else duty}.")


@app.command()
def work(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    duty: Duty = DEFAULT_DUTY,
    flag_file: FlagFile = None,
    max_lag: MaxLag = _MAX_LAG,  # type: ignore[assignment] # typer parses it
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Work on the pass that another command runs, as a further worker, until it is done."""
    with open_migration(plan, env, root, role) as context:
        with context.connect() as connection:
            context.require_state(connection)
            found = ranges.find_open(connection, context.name)
        if found is None:
            say(out, f"{context.name}: no pass runs now.")
            return
        kind = PassKind(found.split()[0])
        with show_progress(out, kind) as bar:
            PassWorker(context, bar, Limits(flag_file, max_lag), duty=duty).run(
                kind, Ranges(context.name, found)
            )


@app.command()
def undo(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    duty: Duty = DEFAULT_DUTY,
    flag_file: FlagFile = None,
    max_lag: MaxLag = _MAX_LAG,  # type: ignore[assignment] # typer parses it
    yes: Yes = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Go one step back, with what was written meanwhile. Repeat it to go further back."""
    limits = Limits(flag_file, max_lag)
    command = worker_command(plan, env, role, duty, limits, root)
    with open_migration(plan, env, root, role) as context:
        step = way_back.next_step(_read(context).stage)
        if not yes:
            typer.confirm(f"Is this so: {step.before}?", abort=True)
        way_back.go_back(context, Workers(context, command, 1, duty, limits, out).run)
        say(out, f"{step.to or 'undone'}: {step.then}.")


def _find_target(*, postpone: bool, null: bool, drop: bool) -> Stage:
    if postpone + null + drop > 1:
        raise typer.BadParameter("pass one of --postpone, --null and --drop")
    if drop:
        return Stage.DROPPED
    if null:
        return Stage.NULLED
    return Stage.INDEXED if postpone else Stage.SWITCHED


def _check_order(context: MigrationContext, to: Stage) -> None:
    """Check that what takes plaintext away follows the stage before it.

    Each of them needs another version of the application.
    """
    before = {Stage.NULLED: Stage.SWITCHED, Stage.DROPPED: Stage.NULLED}.get(to)
    if before is None:
        return
    stage = _read(context).stage
    if stage.is_before(before):
        raise ConfigurationError(
            f"migration {context.name}: it is {stage}, and becomes {to} only after {before}; run"
            " the command without the option first"
        )


def _confirm_loss(context: MigrationContext, to: Stage) -> None:
    columns, table = ", ".join(context.plan.columns), context.plan.table
    if to is Stage.NULLED:
        typer.confirm(
            f"Does each instance of the application write no {columns} of {table} any more, and may"
            " their values be removed?",
            abort=True,
        )
    elif to is Stage.DROPPED:
        with context.connect() as connection:
            live = context.read_table(connection)
        lost = [each for name in context.plan.columns for each in live.dependents.get(name, ())]
        also = f", and with them {', '.join(lost)}" if lost else ""
        typer.confirm(
            f"Drop {columns} of {table}{also}? There is no way back after it.", abort=True
        )


def _advance(course: Course, context: MigrationContext, to: Stage, *, wait: bool) -> Waiting | None:
    while (waiting := course.advance(to)) is not None:
        with context.connect() as connection:
            writers = bypasses.read_writers(connection, context.name)
            now = context.read_time(connection)
        for line in view.waits(waiting, writers):
            say(out, line)
        if not wait:
            return waiting
        time.sleep(max(1.0, (waiting.until - now).total_seconds()))
    return None


def _pause(plan: Path, env: str, role: str | None, root: Path, *, is_paused: bool) -> None:
    with open_migration(plan, env, root, role) as context, context.connect() as connection:
        context.require_state(connection)
        changed = states.pause(connection, context.name, is_paused=is_paused)
        state = "paused" if is_paused else "running"
        say(out, f"{context.name}: {state}{'' if changed else ' already'}.")


def _read(context: MigrationContext) -> State:
    with context.connect() as connection:
        return context.require_state(connection)
