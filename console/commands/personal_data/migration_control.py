"""Commands ``migrate status``, ``pause``, ``resume`` and ``throttle``, from any shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from console.commands.personal_data.migration_options import Plan, Role
from console.commands.personal_data.migration_session import open_migration
from console.options import AsJson, HostEnv, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import Target, open_target
from console.views import migration as view
from console.views.escapes import say
from console.views.output_files import METRICS_MODE, Metrics
from migration import state_table
from migration.pace import MIN_DUTY

out: Final = Console(soft_wrap=True)


def status(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    metrics: Metrics = None,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show how far a migration is, who bypasses it, and what happened to it."""
    target = open_target(env, root)
    with open_migration(plan, target, role) as migration:
        found, context = migration.status(), migration.context
        if metrics is not None:
            from migration.metrics import render_metrics  # noqa: PLC0415 (loads prometheus_client)

            with context.connect() as connection:
                now = context.read_time(connection)
            text = render_metrics(str(target.environment), context.name, found, now)
            replace_file(metrics, text, mode=METRICS_MODE)
        if as_json:
            typer.echo(json.dumps(view.document(context.plan, found), indent=2))
            return
        for line in view.status_lines(context.plan, found):
            say(out, line)


def read_lines(plan: Path, target: Target) -> tuple[str, list[str]]:
    """Return the name of a migration, and the lines of its status."""
    with open_migration(plan, target, None) as migration:
        context = migration.context
        return context.name, list(view.status_lines(context.plan, migration.status()))


def pause(plan: Plan, env: HostEnv, role: Role = None, root: Root = DEFAULT_ROOT) -> None:
    """Let the workers of a migration wait, wherever they run."""
    _pause(plan, open_target(env, root), role, is_paused=True)


def resume(plan: Plan, env: HostEnv, role: Role = None, root: Root = DEFAULT_ROOT) -> None:
    """Let the workers of a migration go on."""
    _pause(plan, open_target(env, root), role, is_paused=False)


def throttle(
    plan: Plan,
    env: HostEnv,
    duty: Annotated[
        float | None,
        typer.Option("--duty", min=MIN_DUTY, max=1, help="without it, what each was started with"),
    ] = None,
    role: Role = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Change the largest part of its time that each worker works, wherever it runs."""
    target = open_target(env, root)
    with open_migration(plan, target, role) as migration, migration.context.connect() as connection:
        context = migration.context
        context.require_state(connection)
        state_table.throttle(connection, context.name, duty)
        say(out, f"{context.name}: duty {'as started' if duty is None else duty}.")


def _pause(plan: Path, target: Target, role: str | None, *, is_paused: bool) -> None:
    with open_migration(plan, target, role) as migration, migration.context.connect() as connection:
        context = migration.context
        context.require_state(connection)
        changed = state_table.pause(connection, context.name, is_paused=is_paused)
        state = "paused" if is_paused else "running"
        say(out, f"{context.name}: {state}{'' if changed else ' already'}.")
