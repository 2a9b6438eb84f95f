"""Commands ``down`` and ``reset``, which need no declaration."""

from __future__ import annotations

import typer
from rich.console import Console

from console.options import Root, Yes
from console.steps import Steps
from console.target.local_folder import DEFAULT_ROOT, stoppable_servers

out = Console(soft_wrap=True)


def down(root: Root = DEFAULT_ROOT) -> None:
    """Stop the local deployment. Its data stays, unless its servers are containers."""
    stopped = stoppable_servers(root).down(Steps(out))
    out.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def reset(
    root: Root = DEFAULT_ROOT,
    yes: Yes = False,
) -> None:
    """Erase the local deployment: its data, keys, passwords and logs."""
    local = stoppable_servers(root)
    if not local.layout.root.exists():
        out.print(f"There is no local deployment in {root.resolve()}.", markup=False)
        return
    if not yes:
        typer.confirm(f"Erase {root.resolve()} with all its data and keys?", abort=True)
    local.reset()
    out.print(f"Erased {root}.", markup=False)
