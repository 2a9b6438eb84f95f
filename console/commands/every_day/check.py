"""Command ``check``: the errors of a declaration that show without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from console.target.checkout import current_checkout
from vault.declare.repository import open_repository

#: Exit code of ``check`` on an error.
INVALID: Final = 2


def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="a folder in the repository, by default this one", exists=True, file_okay=False
        ),
    ] = None,
) -> None:
    """Check declaration, templates and policies without a server. Exit code 2 on an error."""
    from console.commands.every_day.declaration_check import check_repository  # noqa: PLC0415 (loads the compiler of templates)

    repository = open_repository(folder.resolve()) if folder else current_checkout().repository
    errors, warnings = check_repository(repository)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo("\n".join(errors) or "No error in the declaration, its templates and its policies.")
    if errors:
        raise typer.Exit(INVALID)
