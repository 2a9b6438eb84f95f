"""Option ``--metrics``: a file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from console.views.output_files import check_output_file

#: The node exporter is another user, and the file has names only.
METRICS_MODE: Final = 0o644


def check_metrics_file(path: Path | None) -> Path | None:
    """Return *path* if the collector reads a file of that name, before any request."""
    if path is None:
        return None
    if path.suffix != ".prom":
        raise typer.BadParameter(
            f"--metrics {path} does not end in .prom; the collector ignores it"
        )
    check_output_file("--metrics", path)
    return path


Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        callback=check_metrics_file,
        help="write a .prom file for the node exporter, too",
    ),
]
