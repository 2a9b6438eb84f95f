"""Command ``strongroom environments``: the comparison of two, and what one needs as text."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.session.session import Session
from console import operate
from console.aws_environment import build_aws_template
from console.operator_session import (
    check_on_vault,
    open_folder_session,
    open_operator_session,
)
from console.options import AsJson, Root
from console.output_files import check_output_file
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.environment_diff import (
    Differences,
    EnvironmentState,
    compare,
    generate_comparison_key,
    read_state,
)
from vault.reconcile.planning.snapshot import Snapshot

DIFFERS: Final = 2
_HEADINGS: Final = {
    "missing": "Secrets missing in one of them",
    "policy": "Policies that differ",
    "same": "The same value in both",
}

app = typer.Typer(no_args_is_help=True, help="Compare environments; print what one needs.")
out = Console(soft_wrap=True)

Credentials = Annotated[
    Path | None,
    typer.Option("--credentials", help="folder with <environment>/role-id and secret-id"),
]


@app.callback()
def environments() -> None:
    """Compare environments; print what one needs."""


@app.command("apply-policy")
def apply_policy(
    env: Annotated[str, typer.Argument(help="the name of a file in environments/")],
) -> None:
    """Print the policy of a scoped apply role, for the platform team to review and write."""
    from policies.render import scoped_apply_policy  # noqa: PLC0415 (loads jinja2)

    declared = operate.load_declaration()
    typer.echo(scoped_apply_policy(declared, declared.resolve_environment(env)), nl=False)


@app.command()
def template(
    env: Annotated[str, typer.Argument(help="the name of a file in environments/")],
    file: Annotated[Path | None, typer.Option("--out", help="write it to this file")] = None,
) -> None:
    """Print an environment on AWS as a CloudFormation template. It has no value."""
    if file is not None:
        check_output_file("--out", file)
    declared = operate.load_declaration()
    document = build_aws_template(declared, declared.resolve_environment(env))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if file is None:
        typer.echo(text, nl=False)
    else:
        replace_file(file, text.encode(), mode=0o644)
        typer.echo(f"wrote {file}")


@app.command()
def diff(
    one: Annotated[str, typer.Argument(help="the name of a file in environments/")],
    other: Annotated[
        str | None, typer.Argument(help="another; by default the one that ONE is like")
    ] = None,
    root: Root = operate.DEFAULT_ROOT,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs but should not, and what should differ but does not.

    Exit code 2 if there is anything to show. Secret values are never shown. With a credential of
    plan, all but the values is compared.
    """
    declared, key = operate.load_declaration(), generate_comparison_key()
    pair = _resolve_pair(declared, one, other)
    services = [{scope.service for scope in declared.scopes(each)} for each in pair]
    common = services[0] & services[1]
    sides = [_read_sides(each, declared, common, key, root, credentials) for each in pair]
    only = sorted(services[0] ^ services[1])
    found = {service: compare(sides[0][service], sides[1][service]) for service in sorted(sides[0])}
    if as_json:
        typer.echo(json.dumps({"only": only, "services": _to_json(found)}, indent=2))
    else:
        for service in only:
            line = f"{service} runs in only one of the two environments"
            out.print(f"[yellow]{escape(line)}[/]", highlight=False)
        show_differences(out, list(found.values()))
    if only or any(found.values()):
        raise typer.Exit(DIFFERS)


def _resolve_pair(
    declared: Declaration, one: str, other: str | None
) -> tuple[Environment, Environment]:
    """Return the two environments to compare, which must be declared.

    Raises:
        BadParameter: If they are the same, or *other* is None and *one* is like no other.
        ConfigurationError: If one of them is not declared.

    """
    first = declared.resolve_environment(one)
    like = declared.environment(first).like if other is None else other
    if like is None:
        raise typer.BadParameter(f"{first} is like no other environment: pass a second one")
    second = declared.resolve_environment(like)
    if first == second:
        raise typer.BadParameter("pass two different environments")
    return first, second


def _to_json(found: dict[str, Differences]) -> dict[str, dict[str, list[str]]]:
    return {
        service: {name: list(lines) for name, lines in asdict(each).items()}
        for service, each in found.items()
    }


def show_differences(console: Console, found: list[Differences]) -> None:
    """Print every difference under its heading, and then the values that were not compared.

    Args:
        console: Console to print on.
        found: The differences of each service.

    """
    for field, heading in _HEADINGS.items():
        lines = [line for each in found for line in getattr(each, field)]
        console.print(f"[bold]{heading}[/]: {len(lines) or 'none'}", highlight=False)
        for line in lines:
            console.print(f"  {escape(line)}", highlight=False)
    unread = sorted({scope for each in found for scope in each.unread})
    if unread:
        scopes = ", ".join(unread)
        note = f"Values were not compared: this credential may not read those of {scopes}"
        console.print(f"[yellow]{escape(note)}[/]", highlight=False)


def _read_sides(
    environment: Environment,
    declared: Declaration,
    services: set[str],
    key: bytes,
    root: Path,
    folder: Path | None,
) -> dict[str, EnvironmentState]:
    with _session(declared.environment(environment), root, folder) as session:
        reader = Snapshot(session)
        return {
            scope.service: read_state(reader, declared, scope, key)
            for scope in declared.scopes(environment)
            if scope.service in services
        }


def _session(declared: EnvironmentDeclaration, root: Path, folder: Path | None) -> Session:
    environment = declared.environment
    if folder is None and operate.is_local(environment, root):
        return open_operator_session(environment, root, APPLY_JOB)
    check_on_vault(declared)
    if folder is None:
        # The variables of the other commands cannot be used, because they name one credential
        # for one server, and here there are two servers.
        raise ConfigurationError(
            f"no credential for {environment} is configured: pass --credentials with a folder of "
            f"{environment}/role-id and {environment}/secret-id"
        )
    return open_folder_session(declared, folder)
