"""Commands ``plan`` and ``apply``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration.names import parse_environment
from app_integration.session.session import Session
from console import environment_plan, operate
from console.options import ENV, AsJson, Env, Given, OnlyService, Root
from console.plan_session import open_plan_session
from console.plan_view import progress, show_plan
from console.policy_check import find_stale_policy, find_warnings
from vault.declare.server_names import APPLY_JOB, PLAN_JOB
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.apply import apply as apply_plan
from vault.reconcile.planning.build import Prune

#: Exit code of ``plan``.
CHANGES: Final = 2
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True, emoji=False)

PruneFlag = Annotated[
    bool, typer.Option("--prune", help="delete managed resources that are no longer declared")
]
DestroyData = Annotated[
    list[str] | None,
    typer.Option("--destroy-data", help="with --prune: delete this key or secret too (full name)"),
]

WidenFlag = Annotated[
    bool, typer.Option("--widen", help="on AWS: grant more than is granted now, where it is shown")
]


def plan(
    env: Env,
    service: OnlyService = None,
    root: Root = operate.DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
    widen: WidenFlag = False,
    as_json: AsJson = False,
    file: Annotated[Path | None, typer.Option("--out", help="save it, for apply FILE")] = None,
) -> None:
    """Show what apply would change. Exit code 2 if there are changes."""
    options = environment_plan.prune_options(env, prune=prune, destroy=destroy_data or ())
    _reject_prune(service, options)
    _warn(find_warnings(operate.repository()))
    with open_plan_session(env, root, PLAN_JOB) as session:
        found = environment_plan.build_environment_plan(
            session, env, root, given, options, service, may_widen=widen
        )
        if isinstance(session, Session):
            declared, environment = operate.load_declaration(), parse_environment(env)
            _warn(find_stale_policy(session, declared, environment))
    document = plan_file.document(found, parse_environment(env), options, service)
    if file is not None:
        plan_file.save(file, document)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        show_plan(out, found)
    if found.changes:
        raise typer.Exit(CHANGES)


def apply(
    file: Annotated[Path | None, typer.Argument(help="a plan saved with plan --out")] = None,
    env: Annotated[str | None, ENV] = None,
    service: OnlyService = None,
    root: Root = operate.DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
    widen: WidenFlag = False,
) -> None:
    """Apply the declaration to the server, or apply a saved plan."""
    saved = plan_file.load(file) if file else None
    if (saved is None) == (env is None) or (
        saved is not None and (prune or destroy_data or service or widen)
    ):
        raise typer.BadParameter("pass either a saved plan alone, or --env")
    name = operate.resolve_environment(saved.environment) if saved else str(env)
    options = environment_plan.prune_options(name, prune=prune, destroy=destroy_data or ())
    _reject_prune(service, options)
    if saved is not None:
        options, service, widen = saved.prune, saved.service, saved.may_widen
    with open_plan_session(name, root, APPLY_JOB) as session:
        found = environment_plan.build_environment_plan(
            session, name, root, given, options, service, may_widen=widen
        )
        if saved is not None:
            saved.require_current(found)
        show_plan(out, found)
        with progress(out, found) as on_change:
            apply_plan(session, found, on_change)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        err.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


def _reject_prune(service: str | None, options: Prune | None) -> None:
    if service is not None and options is not None:
        raise typer.BadParameter("--prune looks for orphans of all services; leave out --service")
