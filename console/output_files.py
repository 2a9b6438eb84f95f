"""Files that a command writes where an operator says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from app_integration._internal.private_file import replace_file


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
