"""Command ``agent build``: the files that run an agent where its application runs."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.targets.host import Host
from agent.targets.settings import target_settings
from agent.targets.targets import BUILDERS
from app_integration import names
from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from console import operate
from console.options import Colour, Env, Service, find_role
from vault.declare.errors import InvalidValue
from vault.declare.schema.field_types import PAGE_URL

app = typer.Typer(no_args_is_help=True, help="Build the files that run a service's agent.")

Target = StrEnum("Target", {name: name for name in BUILDERS})  # type: ignore[misc] # the names are those of BUILDERS


def _parse_health(url: str) -> str:
    try:
        return PAGE_URL.check(url)
    except InvalidValue as error:
        raise typer.BadParameter(f"--health {error.what} (expected {error.expected})") from None


Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="the application's folder there, of its config model"),
]
Cacert = Annotated[Path | None, typer.Option("--cacert", help="PEM file there, of the server's CA")]
Health = Annotated[
    str | None,
    typer.Option(
        "--health",
        parser=_parse_health,
        metavar="URL",
        help="the application's health page there, in place of the declared one",
    ),
]
Command = Annotated[list[str] | None, typer.Argument(help="after --, the application's command")]


@app.callback()
def agent() -> None:
    """Build the files that run a service's agent."""


@app.command()
def build(
    service: Service,
    env: Env,
    target: Annotated[Target, typer.Option("--for", help="what runs the agent there")],
    out: Annotated[Path, typer.Option("--out", help="folder for the files")],
    folder: Folder = None,
    cacert: Cacert = None,
    colour: Colour = None,
    health: Health = None,
    command: Command = None,
) -> None:
    """Write what runs an agent where its application runs. The files contain no secret."""
    scope = Scope(service, names.parse_environment(env))
    if scope.environment.is_dev:
        raise ConfigurationError("the agents of dev run in the local deployment: make vault-up")
    for path in (folder, cacert):
        if path is not None and not path.is_absolute():
            raise ConfigurationError(f"{path} is no absolute path; it is one of the agent's host")
    declaration = operate.load_declaration()
    settings = target_settings(declaration, scope)
    if colour is not None:
        _check_colour(target)
        find_role(declaration, scope, colour)
        settings = replace(settings, colour=colour)
    if health is not None:
        config = settings.config.model_copy(update={"health": health})
        settings = replace(settings, config=config)
    files = BUILDERS[target](settings, Host(folder, tuple(command or ()), cacert))
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=0o644)
        typer.echo(f"wrote {path}")


def _check_colour(target: Target) -> None:
    """Check that instances of one service have names of their own.

    Raises:
        BadParameter: If they do not.

    """
    if target != "systemd":
        raise typer.BadParameter(
            "--colour is for systemd, where both colours are on one machine; elsewhere build once, "
            "and name the Deployment or project of each colour yourself"
        )
