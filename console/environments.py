"""``strongroom environments``: two environments side by side."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration import names
from app_integration.auth.methods import AppRole
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.session.session import Session
from console import operate
from vault.declare.declaration import Declaration
from vault.reconcile.environment_diff import Differences, Side, compare, new_key, read_state
from vault.reconcile.planning.snapshot import Snapshot

DIFFERS: Final = 2
_HEADINGS: Final = {
    "missing": "Secrets that one of them lacks",
    "policy": "Policies of another shape",
    "same": "The same value in both",
}

app = typer.Typer(no_args_is_help=True, help="Compare environments.")
out = Console(soft_wrap=True)

Credentials = Annotated[
    Path | None,
    typer.Option("--credentials", help="folder with <environment>/role-id and secret-id"),
]


@app.callback()
def environments() -> None:
    """Compare environments."""


@app.command()
def diff(
    one: Annotated[str, typer.Argument(help="dev, staging or prod")],
    other: Annotated[str, typer.Argument(help="another")],
    root: Annotated[Path, typer.Option(help="folder of the local deployment")] = Path(
        ".strongroom"
    ),
    credentials: Credentials = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """What differs and shouldn't, and what should and doesn't. Exit code 2 for anything.

    Values are never shown. A credential of strongroom-plan compares all but them.
    """
    pair = [names.environment(each) for each in (one, other)]
    if pair[0] is pair[1]:
        raise typer.BadParameter("give two different environments")
    declared, key = operate.declaration(), new_key()
    services = [{scope.service for scope in declared.scopes(each)} for each in pair]
    common = services[0] & services[1]
    sides = [_sides(each, declared, common, key, root, credentials) for each in pair]
    only = sorted(services[0] ^ services[1])
    found = {service: compare(sides[0][service], sides[1][service]) for service in sorted(sides[0])}
    if as_json:
        typer.echo(json.dumps({"only": only, "services": _plain(found)}, indent=2))
    else:
        for service in only:
            out.print(f"[yellow]{escape(service)} runs in one of them only[/]", highlight=False)
        show(out, list(found.values()))
    if only or any(found.values()):
        raise typer.Exit(DIFFERS)


def _plain(found: dict[str, Differences]) -> dict[str, dict[str, list[str]]]:
    return {
        service: {name: list(lines) for name, lines in asdict(each).items()}
        for service, each in found.items()
    }


def show(console: Console, found: list[Differences]) -> None:
    """Every difference, under its heading; values that couldn't be compared last."""
    for field, heading in _HEADINGS.items():
        lines = [line for each in found for line in getattr(each, field)]
        console.print(f"[bold]{heading}[/]: {len(lines) or 'none'}", highlight=False)
        for line in lines:
            console.print(f"  {escape(line)}", highlight=False)
    unread = sorted({scope for each in found for scope in each.unread})
    if unread:
        note = f"Values weren't compared: this credential may not read those of {', '.join(unread)}"
        console.print(f"[yellow]{escape(note)}[/]", highlight=False)


def _sides(
    environment: Environment,
    declared: Declaration,
    services: set[str],
    key: bytes,
    root: Path,
    folder: Path | None,
) -> dict[str, Side]:
    with _session(environment, root, folder) as session:
        reader = Snapshot(session)
        return {
            scope.service: read_state(reader, declared, scope, key)
            for scope in declared.scopes(environment)
            if scope.service in services
        }


def _session(environment: Environment, root: Path, folder: Path | None) -> Session:
    if folder is None and operate.is_local(environment):
        return operate.operator(environment, root, "strongroom-apply")
    if folder is None:
        # The variables of other commands name one server and one credential: not both of two.
        raise ConfigurationError(
            f"no credential for {environment} is given: pass --credentials with a folder that has "
            f"{environment}/role-id and {environment}/secret-id"
        )
    files = (folder / environment / "role-id", folder / environment / "secret-id")
    return operate.at(environment, None, AppRole(*files))
