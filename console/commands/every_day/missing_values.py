"""Start of a local deployment with the values that its services need, shared or asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from console.commands.every_day.put import check_url, check_value, write_secret
from console.steps import Steps
from console.views.questions import has_terminal, read_hidden
from local.services.dev_services import shared_files
from local.services.shared_values import find_different
from vault.declare.schema.secret_sources import Given

if TYPE_CHECKING:
    from local.deployment import LocalDeployment
    from local.deployment_setup import UpResult
    from vault.declare.declaration import Declaration
    from vault.reconcile.planning.plan import Plan


def up_with_values(console: Console, local: LocalDeployment, services: Sequence[str]) -> UpResult:
    """Start a local deployment, and ask on a terminal for each given value that is missing.

    A failed delivery is no exception: the result has its error.
    """
    shared_files(local.declaration).inputs()  # so that nothing starts with a file that was changed
    result = local.bring_up(Steps(console), services)
    _show_shared(console, local)
    missing = list(find_missing(local.declaration, result.plan, services))
    if missing and has_terminal():
        with local.operator() as session:
            left = _ask_all(console, local.declaration, session, missing)
        if left != missing:
            again = local.bring_up(Steps(console), services)
            result = replace(result, failures=again.failures)
        missing = left
    if missing:
        console.print("[yellow]Values are missing; write each:[/]")
    for scope, name in missing:
        console.print(f"  {put_command(scope, name)}", markup=False, highlight=False)
    return result


def find_missing(
    declaration: Declaration, plan: Plan, services: Sequence[str]
) -> Iterator[tuple[Scope, str]]:
    """Yield each secret that an operator must provide, but those whose value was deleted."""
    for path in plan.missing:
        service, _, name = path.split("/", 2)
        scope = Scope(service, Environment.DEV)
        is_given = isinstance(declaration.own_secrets(scope).get(name), Given)
        if is_given and path not in plan.ended and (not services or service in services):
            yield scope, name


def put_command(scope: Scope, name: str) -> str:
    """Return the command that writes a value."""
    return f"strongroom put {name} --service {scope.service} --env {scope.environment}"


def _show_shared(console: Console, local: LocalDeployment) -> None:
    """Print why the team's values are not in use, or which of them are others than here."""
    files = shared_files(local.declaration)
    if not files.scopes:
        return
    try:
        files.check_member()
    except ConfigurationError as error:
        console.print(f"[yellow]The team's values are not opened: {escape(str(error))}.[/]")
        return
    with local.operator() as session:
        different = [(scope, name) for scope, name, _ in find_different(session, files)]
    for scope, name in different:
        console.print(f"[yellow]The team's value is another one: {scope.service}: {name}[/]")
    if different:
        console.print("Take the team's with: strongroom dev-values open")


def _ask_all(
    console: Console, declaration: Declaration, session: Session, missing: list[tuple[Scope, str]]
) -> list[tuple[Scope, str]]:
    """Ask for each value, write it, and return the secrets that still have none."""
    left = list(missing)
    for scope, name in missing:
        try:
            value = _ask(console, declaration, scope, name)
        except (typer.Abort, EOFError):
            break
        if value:
            write_secret(session, declaration, scope, name, value)
            left.remove((scope, name))
    return left


def _ask(console: Console, declaration: Declaration, scope: Scope, name: str) -> str:
    """Return the value that is typed; empty for none, and for one that cannot be right."""
    try:
        value = read_hidden(f"{scope.service}: {name} (Enter to leave it out)")
        if value:
            check_value(name, value)
            check_url(declaration.service(scope.service), name, value)
    except ConfigurationError as error:
        console.print(f"[yellow]{escape(str(error))}[/]")
        return ""
    return value
