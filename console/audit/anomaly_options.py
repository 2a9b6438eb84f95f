"""Options of the commands that run the rules of anomalies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.options import build_duration_parser
from vault.declare.schema.field_types import Within

#: How far back a command may ask. A log rarely reaches further.
_PERIODS = Within("1m", "3650d")

RulesFile = Annotated[
    Path | None,
    typer.Option("--rules", help="a rules file; the declaration's anomalies.yaml by default"),
]
Since = Annotated[
    int,
    typer.Option(
        "--since",
        parser=build_duration_parser("--since", _PERIODS),
        metavar="DURATION",
        help="how far back: 90d",
    ),
]
Store = Annotated[
    Path | None, typer.Option("--store", help="folder of the store; default: one in --root")
]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
