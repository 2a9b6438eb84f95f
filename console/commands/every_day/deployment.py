"""Commands ``up`` and ``store`` of the local deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from console.options import Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.local_start import local_aws, startable_deployment
from console.target.target import open_target
from console.views.aws_deployment import up_on_aws
from console.views.questions import has_terminal, read_hidden
from local.port_choice import ALL

if TYPE_CHECKING:
    from local.servers.administrator import Administrator

out = Console(soft_wrap=True)


def up(
    services: Annotated[
        list[str] | None, typer.Argument(help="services that get an agent; all if none is named")
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Start the local deployment, apply the declaration, and show how it works."""
    from console.commands.every_day.missing_values import up_with_values  # noqa: PLC0415 (no other command here needs it)
    from console.commands.every_day.shown_deployment import show_deployment  # noqa: PLC0415 (no other command here needs it)
    from local.services.agents import ServicesFailed  # noqa: PLC0415 (no other command here needs it)

    target = open_target(root=root)
    if on_aws := local_aws(target, movable=ALL):
        up_on_aws(out, on_aws, services or ())
        return

    local = startable_deployment(target)
    _ask_for_urls(local.own_databases())
    result = up_with_values(out, local, services or ())
    if result.failures:
        raise ServicesFailed.combine(result.failures)
    if result.has_lost_data:
        out.print(
            "[yellow]The secrets server had lost its data and was set up again: data that was "
            "encrypted before cannot be decrypted any more.[/]"
        )
    if not result.has_changes:
        out.print("All parts are running and match the declaration: nothing was changed.")
    show_deployment(out, local, services or ())


def _ask_for_urls(administrators: Sequence[Administrator]) -> None:
    """Ask on a terminal for the administrator's URL of each server that has none yet."""
    for each in administrators:
        if not each.url_file.exists() and has_terminal():
            typer.echo(
                f"environments/dev.yaml names the PostgreSQL at {each.address}. A user that may "
                f"create roles and databases there sets up the services' own.\n"
                f"Its URL is kept in {each.url_file} only."
            )
            each.store(read_hidden(f"postgresql://USER:PASSWORD@{each.address}/postgres"))


def store(root: Root = DEFAULT_ROOT) -> None:
    """Run the example services on the local deployment until they are interrupted."""
    from local.example_services import run_examples  # noqa: PLC0415 (loads asyncio)

    target = open_target(root=root)
    if on_aws := local_aws(target, movable=("store",)):
        on_aws.read_keys()
        raise typer.Exit(run_examples(on_aws, "aws"))
    local = target.local_deployment(movable=("store",))
    if local.servers.agent_host is None:
        out.print(f"The store runs in a container: http://127.0.0.1:{local.ports.store}")
        return
    raise typer.Exit(run_examples(local, "vault"))
