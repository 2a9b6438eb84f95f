"""Command ``strongroom environments``: the comparison of two, and what one needs as text."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError
from app_integration.session.session import Session
from aws.environment import build_aws_template, build_operator_policies
from console.options import AsJson, Credentials, OutFile, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_folder_session, open_operator_session
from console.target.target import Target, open_target
from console.views.output_files import check_output_file
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.environment_diff import (
    Differences,
    EnvironmentState,
    compare,
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


@app.callback()
def environments() -> None:
    """Compare environments; print what one needs."""


@app.command("apply-policy")
def apply_policy(
    env: Annotated[str, typer.Argument(help="the name of a file in environments/")],
) -> None:
    """Print the policy of a scoped apply role, for the platform team to review and write.

    For an environment on AWS, it is a JSON list of the IAM policies of its operator.
    """
    from policies.render import scoped_apply_policy  # noqa: PLC0415 (loads jinja2)

    target = open_target().with_environment(env)
    if target.is_on_aws:
        documents = build_operator_policies(target.declaration, target.environment)
        typer.echo(json.dumps(documents, indent=2))
        return
    typer.echo(scoped_apply_policy(target.declaration, target.environment), nl=False)


@app.command()
def template(
    env: Annotated[str, typer.Argument(help="the name of a file in environments/")],
    file: OutFile = None,
) -> None:
    """Print an environment on AWS as a CloudFormation template. It has no value."""
    if file is not None:
        check_output_file("--out", file)
    target = open_target().with_environment(env)
    document = build_aws_template(target.declaration, target.environment)
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
    root: Root = DEFAULT_ROOT,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs but should not, and what should differ but does not.

    Exit code 2 if there is anything to show. Secret values are never shown. With a credential of
    plan, all but the values is compared.
    """
    key, pair = secrets.token_bytes(32), _open_pair(open_target(root=root), one, other)
    services = [
        {scope.service for scope in each.declaration.scopes(each.environment)} for each in pair
    ]
    common = services[0] & services[1]
    sides = [_read_sides(each, common, key, credentials) for each in pair]
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


def _open_pair(opened: Target, one: str, other: str | None) -> tuple[Target, Target]:
    """Return the two environments to compare, which must be declared."""
    first = opened.with_environment(one)
    like = first.declared.like if other is None else other
    if like is None:
        raise typer.BadParameter(
            f"{first.environment} is like no other environment: pass a second one"
        )
    second = opened.with_environment(like)
    if first.environment == second.environment:
        raise typer.BadParameter("pass two different environments")
    return first, second


def _to_json(found: dict[str, Differences]) -> dict[str, dict[str, list[str]]]:
    return {
        service: {name: list(lines) for name, lines in asdict(each).items()}
        for service, each in found.items()
    }


def show_differences(console: Console, found: list[Differences]) -> None:
    """Print every difference under its heading, and then the values that were not compared."""
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
    target: Target, services: set[str], key: bytes, folder: Path | None
) -> dict[str, EnvironmentState]:
    with _session(target, folder) as session:
        reader = Snapshot(session)
        return {
            scope.service: read_state(reader, target.declaration, scope, key)
            for scope in target.declaration.scopes(target.environment)
            if scope.service in services
        }


def _session(target: Target, folder: Path | None) -> Session:
    if folder is None and target.is_local:
        return open_operator_session(target, APPLY_JOB)
    target.require_vault()
    if folder is None:
        # The variables of the other commands cannot be used, because they name one credential
        # for one server, and here there are two servers.
        environment = target.environment
        raise ConfigurationError(
            f"no credential for {environment} is configured: pass --credentials with a folder of "
            f"{environment}/role-id and {environment}/secret-id"
        )
    return open_folder_session(target, folder)
