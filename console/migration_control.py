"""Commands ``migrate status``, ``pause``, ``resume`` and ``throttle``, from any shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from console import migration_view as view
from console import operate
from console.escapes import say
from console.migration_options import Plan, Role
from console.migration_session import open_migration
from console.options import AsJson, HostEnv, Root
from migration import states
from migration import status as migration_status
from migration.pace import MIN_DUTY

out: Final = Console(soft_wrap=True)


def status(
    plan: Plan,
    env: HostEnv,
    role: Role = None,
    as_json: AsJson = False,
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


def pause(plan: Plan, env: HostEnv, role: Role = None, root: Root = operate.DEFAULT_ROOT) -> None:
    """Let the workers of a migration wait, wherever they run."""
    _pause(plan, env, role, root, is_paused=True)


def resume(plan: Plan, env: HostEnv, role: Role = None, root: Root = operate.DEFAULT_ROOT) -> None:
    """Let the workers of a migration go on."""
    _pause(plan, env, role, root, is_paused=False)


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


def _pause(plan: Path, env: str, role: str | None, root: Path, *, is_paused: bool) -> None:
    with open_migration(plan, env, root, role) as context, context.connect() as connection:
        context.require_state(connection)
        changed = states.pause(connection, context.name, is_paused=is_paused)
        state = "paused" if is_paused else "running"
        say(out, f"{context.name}: {state}{'' if changed else ' already'}.")
