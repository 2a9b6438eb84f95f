"""Option ``--metrics``: a file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

#: The node exporter is another user, and the file has names only.
METRICS_MODE: Final = 0o644


def check_metrics_file(path: Path | None) -> Path | None:
    """Return *path* if the collector reads a file of that name, before any request.

    Raises:
        BadParameter: If it does not end in ``.prom``, is a folder, or its folder does not exist.

    """
    if path is None:
        return None
    if path.suffix != ".prom":
        raise typer.BadParameter(
            f"--metrics {path} does not end in .prom; the collector ignores it"
        )
    if not path.parent.is_dir():
        raise typer.BadParameter(
            f"--metrics {path}: {path.parent} is not a folder; create it first"
        )
    if path.is_dir():
        raise typer.BadParameter(f"--metrics {path} is a folder; name a file in it")
    return path


Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        callback=check_metrics_file,
        help="write a .prom file for the node exporter, too",
    ),
]
