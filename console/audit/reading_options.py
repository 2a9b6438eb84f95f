"""Options of the commands that read the store of audit lines."""

from __future__ import annotations

from typing import Annotated, Final

import typer

DEFAULT_SINCE: Final = "30d"

Since = Annotated[
    str, typer.Option("--since", help="start of the period: 30d, 2026-05-01 or a time in UTC")
]
Until = Annotated[str | None, typer.Option("--until", help="its end; now by default")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
