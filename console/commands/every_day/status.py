"""Command ``status``, which loads the declaration only if nothing was started from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from console.options import Root
from console.target.local_folder import DEFAULT_ROOT, started_servers
from console.views.status import show_config_states, show_status

if TYPE_CHECKING:
    from pathlib import Path

    from local.started_deployment import StartedDeployment

#: Exit code if a part does not work.
NOT_RUNNING: Final = 2
out = Console(soft_wrap=True)


def status(root: Root = DEFAULT_ROOT) -> None:
    """Show which parts run and which configs are in use. Exit code 2 if a part does not work."""
    local = started_servers(root) or _declared_servers(root)
    statuses = local.status()
    show_status(out, statuses)
    configs = local.read_config_states()
    if configs:
        out.print()
        show_config_states(out, configs)
    if not all(part.works for part in statuses):
        raise typer.Exit(NOT_RUNNING)


def _declared_servers(root: Path) -> StartedDeployment:
    from console.target.local_start import local_aws  # noqa: PLC0415 (loads the declaration)
    from console.target.target import open_target  # noqa: PLC0415 (as above)

    target = open_target(root=root)
    return (local_aws(target) or target.local_deployment()).started
