"""Options that the commands ``migrate`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from console.options import build_duration_parser
from migration.pace import DEFAULT_LAG, MIN_DUTY

Plan = Annotated[
    Path,
    typer.Argument(
        help="the YAML file that plans it (strongroom schema migration)",
        exists=True,
        dir_okay=False,
    ),
]
Role = Annotated[
    str | None,
    typer.Option("--role", help="a database role of the service, in place of the default one"),
]
Duty = Annotated[
    float,
    typer.Option(
        "--duty",
        min=MIN_DUTY,
        max=1,
        help="the largest part of its time that a worker works; with 1 it never slows down",
    ),
]
FlagFile = Annotated[
    Path | None, typer.Option("--flag-file", help="workers wait while this file exists")
]
MaxLag = Annotated[
    int,
    typer.Option(
        "--max-lag",
        parser=build_duration_parser("--max-lag"),
        metavar="DURATION",
        help="workers wait while a replica is further behind",
    ),
]
Idle = Annotated[
    int | None,
    typer.Option(
        "--idle",
        parser=build_duration_parser("--idle"),
        metavar="DURATION",
        help="join each pass, and end when none has run for so long",
    ),
]
Free = Annotated[
    int | None,
    typer.Option(
        "--free",
        min=0,
        help="megabytes free where the database keeps its files, if that is not here",
    ),
]
MAX_LAG: Final = f"{DEFAULT_LAG:.0f}s"
Processes = Annotated[int, typer.Option("--workers", min=1, max=64, help="the number of processes")]
Wait = Annotated[bool, typer.Option("--wait", help="wait for the quiet time")]
Postpone = Annotated[bool, typer.Option("--postpone", help="stop before reads may be switched")]
Null = Annotated[bool, typer.Option("--null", help="remove the old values, after asking")]
Drop = Annotated[bool, typer.Option("--drop", help="drop its columns, after asking")]
Decrypt = Annotated[
    bool, typer.Option("--decrypt", help="write tokens' values as plaintext, after asking")
]
