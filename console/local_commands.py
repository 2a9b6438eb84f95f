"""Commands of the local deployment, from ``up`` to ``reset``, with ``image`` and ``store``."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.console import Console

from console import operate
from console.local_aws_view import up_on_aws
from console.local_choice import local_aws
from console.local_ports import ALL
from console.options import Root, Yes
from console.status_view import show_config_states, show_status
from console.steps import Steps

#: Exit code of ``status``.
NOT_RUNNING: Final = 2
out = Console(soft_wrap=True)


def up(
    services: Annotated[
        list[str] | None, typer.Argument(help="services that get an agent; all if none is named")
    ] = None,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Start the local deployment, apply the declaration, and show how it works."""
    from console.agents import ServicesFailed  # noqa: PLC0415 (no other command here needs it)
    from console.missing_values import up_with_values  # noqa: PLC0415 (as above)
    from console.show import show_deployment  # noqa: PLC0415 (as above)

    if on_aws := local_aws(root, movable=ALL):
        up_on_aws(out, on_aws, services or ())
        return
    from console.local_databases import ask_for_urls  # noqa: PLC0415 (it loads the servers)

    local = operate.startable_deployment(root)
    ask_for_urls(local.own_databases())
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


def image(
    tag: Annotated[str, typer.Option("--tag", help="the image's name")] = "strongroom-tool:local",
) -> None:
    """Build the image of this tool, which the containers of a repository begin from."""
    from vault.runtime.docker import engine, tool_image  # noqa: PLC0415 (the package docker is not everywhere)

    engine.require_engine()
    tool_image.build(tag)
    out.print(f"Built {tag}.", markup=False)


def down(root: Root = operate.DEFAULT_ROOT) -> None:
    """Stop the local deployment. Its data stays, except in containers."""
    stopped = operate.stoppable_servers(root).down(Steps(out))
    out.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def status(root: Root = operate.DEFAULT_ROOT) -> None:
    """Show which parts run and which configs are in use. Exit code 2 if a part does not work."""
    local = local_aws(root) or operate.local_deployment(root)
    statuses = local.status()
    show_status(out, statuses)
    configs = local.read_config_states()
    if configs:
        out.print()
        show_config_states(out, configs)
    if not all(part.works for part in statuses):
        raise typer.Exit(NOT_RUNNING)


def reset(
    root: Root = operate.DEFAULT_ROOT,
    yes: Yes = False,
) -> None:
    """Erase the local deployment: its data, keys, passwords and logs."""
    local = operate.stoppable_servers(root)
    if not local.layout.root.exists():
        out.print(f"There is no local deployment in {root.resolve()}.", markup=False)
        return
    if not yes:
        typer.confirm(f"Erase {root.resolve()} with all its data and keys?", abort=True)
    local.reset()
    out.print(f"Erased {root}.")


def store(root: Root = operate.DEFAULT_ROOT) -> None:
    """Run the example services on the local deployment until they are interrupted."""
    from console.example_services import run_examples  # noqa: PLC0415 (loads asyncio)

    if on_aws := local_aws(root, movable=("store",)):
        on_aws.read_keys()
        raise typer.Exit(run_examples(on_aws, "aws"))
    local = operate.local_deployment(root, movable=("store",))
    if local.servers.agent_host is None:
        out.print(f"The store runs in a container: http://127.0.0.1:{local.ports.store}")
        return
    raise typer.Exit(run_examples(local, "vault"))
