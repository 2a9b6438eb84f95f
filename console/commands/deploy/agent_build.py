"""Command ``agent build``: the files that run an agent where its application runs."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from agent.targets.host import Host
from agent.targets.sdk.settings import SdkSettings, sdk_settings
from agent.targets.settings import TargetSettings, declared_config, target_settings
from agent.targets.targets import BUILDERS, SDK_BUILDERS
from app_integration.errors import ConfigurationError
from console.commands.deploy.colours import Colour, find_role
from console.options import Env, Service
from console.target.target import open_target
from console.views.output_files import BuildFolder, write_files
from vault.declare.errors import InvalidValue
from vault.declare.schema.field_types import PAGE_URL

app = typer.Typer(no_args_is_help=True, help="Build the files that run a service's agent.")

Built = TypeVar("Built", "TargetSettings", "SdkSettings")


class Target(StrEnum):
    """Names of :data:`BUILDERS`, which load all that an agent needs."""

    COMPOSE = "compose"
    KUBERNETES = "kubernetes"
    SYSTEMD = "systemd"


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
FromSdk = Annotated[
    bool, typer.Option("--from-sdk", help="without an agent: the SDK renders; on AWS always")
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
    out: BuildFolder,
    folder: Folder = None,
    cacert: Cacert = None,
    colour: Colour = None,
    health: Health = None,
    from_sdk: FromSdk = False,
    command: Command = None,
) -> None:
    """Write what delivers a service's config where it runs. The files contain no secret."""
    opened = open_target(env)
    scope = opened.scope(service)
    for path in (folder, cacert):
        if path is not None and not path.is_absolute():
            raise ConfigurationError(f"{path} is no absolute path; pass that on the agent's host")
    declaration, host = opened.declaration, Host(folder, tuple(command or ()), cacert)
    if from_sdk or opened.is_on_aws:
        # In dev, too, because the local deployment has none of these.
        if colour is not None:
            raise typer.BadParameter("--colour is for an agent; without one, build once")
        sdk = sdk_settings(declaration, scope, cacert)
        write_files(out, SDK_BUILDERS[target](_with_health(sdk, health), host))
        return
    declared_config(declaration, service)  # first, because a service without one has no agent
    if scope.environment.is_dev:
        raise ConfigurationError(
            "the agents of dev run in the local deployment; start it with: strongroom up"
        )
    settings = _with_health(target_settings(declaration, scope), health)
    if colour is not None:
        _check_colour(target)
        find_role(declaration, scope, colour)
        settings = replace(settings, colour=colour)
    write_files(out, BUILDERS[target](settings, host))


def _with_health(settings: Built, health: str | None) -> Built:
    """Return *settings* with another health page, unless that is None."""
    if health is None:
        return settings
    return replace(settings, config=settings.config.model_copy(update={"health": health}))


def _check_colour(target: Target) -> None:
    """Check that instances of one service have names of their own."""
    if target != "systemd":
        raise typer.BadParameter(
            "--colour is for systemd, where both colours are on one machine; elsewhere build once, "
            "and name the Deployment or project of each colour yourself"
        )
