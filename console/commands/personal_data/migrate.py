"""Commands ``migrate``: columns to tokens, to others, or to plaintext, while applications run."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import typer
from rich.console import Console

from console.commands.command_group import Group
from console.commands.personal_data import migration_build, migration_control, migration_workers
from console.commands.personal_data.migration_options import (
    MAX_LAG,
    Decrypt,
    Drop,
    Duty,
    FlagFile,
    Free,
    MaxLag,
    Null,
    Plan,
    Postpone,
    Processes,
    Role,
    Wait,
)
from console.commands.personal_data.migration_session import open_migration
from console.commands.personal_data.migration_workers import Workers, worker_command
from console.options import AsJson, DryRun, HostEnv, Root, Yes
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views import migration as view
from console.views.escapes import say
from migration import Migration, Stage, way_back
from migration.guard import recorded_writes
from migration.migration import Outcome
from migration.migration_context import MigrationContext
from migration.pace import DEFAULT_DUTY
from migration.passes.throttle import Limits
from migration.state_table import State
from migration.table import dependent_rules

#: It waits for a time without bypassing writers.
WAITS: Final = 2

out = Console(soft_wrap=True)


class _Group(Group):
    """Group whose command ``run`` may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="Encrypt columns of a database in use, encrypt them in another way, or decrypt them."
    " 'migrate PLAN' is 'migrate run PLAN'.",
)


for command in (
    migration_build.build,
    migration_control.pause,
    migration_control.resume,
    migration_control.status,
    migration_control.throttle,
):
    app.command()(command)


@app.command()
def run(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    workers: Processes = 1,
    duty: Duty = DEFAULT_DUTY,
    flag_file: FlagFile = None,
    max_lag: MaxLag = MAX_LAG,  # type: ignore[assignment] # typer parses it
    wait: Wait = False,
    postpone: Postpone = False,
    decrypt: Decrypt = False,
    null: Null = False,
    drop: Drop = False,
    free: Free = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    root: Root = DEFAULT_ROOT,
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
    with open_migration(plan, open_target(env, root), role, free, duty) as migration:
        is_exposed = migration.check_run(to, decrypt=decrypt)
        if not yes:
            _confirm(migration.context, to, is_exposed=is_exposed)
        running = Workers(migration.context, command, workers, duty, limits, out)
        outcome = _advance(migration, running, to, wait=wait)
        _show_end(migration.context, to, outcome)
    if outcome.waiting is not None:
        raise typer.Exit(WAITS)


def _show_end(context: MigrationContext, to: Stage, outcome: Outcome) -> None:
    if outcome.copies is not None:
        for line in view.copies_lines(context.plan, outcome.copies):
            say(out, line)
    if to is Stage.DROPPED:
        say(out, view.backups_left(context.plan, _read(context).since))


@app.command("plan")
def show_plan(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    duty: Duty = DEFAULT_DUTY,
    free: Free = None,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show what each stage does, locks and takes, and what ends with the columns."""
    with open_migration(plan, open_target(env, root), role, free, duty) as migration:
        found = migration.plan()
        if as_json:
            typer.echo(json.dumps(view.plan_document(found), indent=2))
            return
        for line in view.plan_lines(migration.context.plan, found):
            say(out, line)


app.command()(migration_workers.work)


@app.command()
def undo(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    duty: Duty = DEFAULT_DUTY,
    flag_file: FlagFile = None,
    max_lag: MaxLag = MAX_LAG,  # type: ignore[assignment] # typer parses it
    yes: Yes = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Go one step back, and keep what was written since. Repeat it to go further back."""
    limits = Limits(flag_file, max_lag)
    command = worker_command(plan, env, role, duty, limits, root)
    with open_migration(plan, open_target(env, root), role) as migration:
        context = migration.context
        step = way_back.next_step(_read(context).stage)
        if not yes:
            typer.confirm(f"Is this so: {view.step_text(step.before, context.plan)}?", abort=True)
        running = Workers(context, command, 1, duty, limits, out)
        step = way_back.go_back(context, running.run, step)
        say(out, f"{step.to or 'undone'}: {view.step_text(step.then, context.plan)}.")


def _find_target(*, postpone: bool, null: bool, drop: bool) -> Stage:
    if postpone + null + drop > 1:
        raise typer.BadParameter("pass one of --postpone, --null and --drop")
    if drop:
        return Stage.DROPPED
    if null:
        return Stage.NULLED
    return Stage.INDEXED if postpone else Stage.SWITCHED


def _confirm(context: MigrationContext, to: Stage, *, is_exposed: bool) -> None:
    if to is Stage.NULLED:
        typer.confirm(view.nulling_question(context.plan), abort=True)
    elif to is Stage.DROPPED:
        with context.connect() as connection:
            lost = dependent_rules.find_lost(context.read_dependents(connection))
        typer.confirm(view.dropping_question(context.plan, lost), abort=True)
    if is_exposed:
        typer.confirm(f"{context.plan.exposure}. Decrypt them?", abort=True)


def _advance(migration: Migration, workers: Workers, to: Stage, *, wait: bool) -> Outcome:
    context = migration.context
    stage = context.find_stage()
    if stage is not None and not stage.is_before(to):
        say(out, view.entered(context.plan, stage))  # otherwise the command would print nothing
    while True:
        outcome = migration.advance(
            to, workers.run, lambda stage: say(out, view.entered(context.plan, stage))
        )
        if (waiting := outcome.waiting) is None:
            return outcome
        with context.connect() as connection:
            writers = recorded_writes.read_writers(connection, context.name)
            now = context.read_time(connection)
        for line in view.waits(context.plan, waiting, writers):
            say(out, line)
        if not wait:
            return outcome
        time.sleep(max(1.0, (waiting.until - now).total_seconds()))


def _read(context: MigrationContext) -> State:
    with context.connect() as connection:
        return context.require_state(connection)
