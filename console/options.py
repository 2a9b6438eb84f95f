"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console import operate


def _resolve(text: str | None) -> str | None:
    """Return the declared environment that an option names, before any request."""
    return None if text is None else operate.resolve_environment(text)


ENV = typer.Option("--env", help="the name of a file in environments/", callback=_resolve)
Env = Annotated[str, ENV]
Service = Annotated[str, typer.Option("--service", help="the name of a file in services/")]
Root = Annotated[
    Path, typer.Option("--root", help="folder of the local deployment", callback=operate.local_root)
]
Given = Annotated[
    Path | None,
    typer.Option("--given", help="folder of operator-provided values, in files named by API path"),
]
