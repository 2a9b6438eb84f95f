"""Options of the commands that ask the store of audit lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from vault.audit.store import STORE

DEFAULT_SINCE: Final = "30d"

Since = Annotated[
    str, typer.Option("--since", help="start of the period: 30d, 2026-05-01 or a time in UTC")
]
Until = Annotated[str | None, typer.Option("--until", help="its end; now by default")]
AuditLog = Annotated[
    list[Path] | None,
    typer.Option(
        "--audit-log",
        help="a file of the server's audit device, or the folder of an archive; may be repeated",
    ),
]
Records = Annotated[
    list[Path] | None,
    typer.Option("--records", help="a file or folder of access records; may be repeated"),
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="folder of the store; default: one in --root",
        callback=STORE.check_option,
    ),
]
RulesFile = Annotated[
    Path | None,
    typer.Option("--rules", help="a rules file; the declaration's anomalies.yaml by default"),
]
