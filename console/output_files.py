"""Files that a command writes where an operator says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from app_integration._internal.private_file import replace_file


def check_output_file(option: str, path: Path) -> None:
    """Check that a file can be written, before any request.

    Args:
        option: The option that names it.
        path: The file.

    Raises:
        BadParameter: If it is a folder, or its folder does not exist.

    """
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{option} {path}: {path.parent} is not a folder; create it first")
    if path.is_dir():
        raise typer.BadParameter(f"{option} {path} is a folder; name a file in it")


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write *files*, and print the path of each. Anybody may read them: they have no secret.

    Args:
        folder: Their folder, which is created if it does not exist.
        files: Path below the folder → text.

    """
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=0o644)
        typer.echo(f"wrote {path}")
