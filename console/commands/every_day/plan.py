"""Commands ``plan`` and ``apply``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration.names import Environment
from console.commands.every_day.policy_check import find_stale_policy, find_warnings
from console.options import ENV, AsJson, Env, Given, OutFile, Root, ServiceFilter
from console.target.environment_plan import PlanOptions, open_plan, prune_options
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.plan import progress, show_plan
from console.views.policy_changes import with_widening
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
    env: Env = Environment.DEV,
    service: ServiceFilter = None,
    root: Root = DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
    widen: WidenFlag = False,
    as_json: AsJson = False,
    file: OutFile = None,
) -> None:
    """Show what apply would change. Exit code 2 if there are changes.

    With --out it is saved, too, and 'apply FILE' does that and nothing else.
    """
    target = open_target(env, root)
    options = prune_options(target.environment, prune=prune, destroy=destroy_data or ())
    _reject_prune(service, options)
    _warn(find_warnings(target.checkout.repository, target.declaration))
    with open_plan(target, PLAN_JOB, PlanOptions(given, options, service, widen)) as opened:
        if opened.vault is not None:
            _warn(find_stale_policy(opened.vault, target.declaration, target.environment))
    found = with_widening(opened.plan)
    document = plan_file.document(found, target.environment, options, service)
    if file is not None:
        plan_file.save(file, document)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        show_plan(out, found)
    if found.changes:
        raise typer.Exit(CHANGES)


def apply(
    file: Annotated[
        Path | None,
        typer.Argument(help="a plan saved with plan --out, which names its environment"),
    ] = None,
    env: Annotated[str | None, ENV] = None,
    service: ServiceFilter = None,
    root: Root = DEFAULT_ROOT,
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
    target = open_target(env or Environment.DEV, root)
    if saved is None:
        deleted = prune_options(target.environment, prune=prune, destroy=destroy_data or ())
        _reject_prune(service, deleted)
        options = PlanOptions(given, deleted, service, widen)
    else:
        target = target.with_environment(saved.environment)
        options = PlanOptions(
            given, saved.prune, saved.service, saved.may_widen and target.is_on_aws
        )
    with open_plan(target, APPLY_JOB, options) as opened:
        if saved is not None:
            saved.require_current(opened.plan)
        show_plan(out, with_widening(opened.plan))
        with progress(out, opened.plan) as on_change:
            apply_plan(opened.session, opened.plan, on_change)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        err.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


def _reject_prune(service: str | None, options: Prune | None) -> None:
    if service is not None and options is not None:
        raise typer.BadParameter("--prune looks for orphans of all services; leave out --service")
