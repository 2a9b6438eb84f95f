"""Sub-command ``audit``. Each command has a module of its own."""

from __future__ import annotations

import typer

from console.commands.audit import (
    anomalies,
    archive,
    backtest,
    devices,
    ingest,
    read,
    report,
    verify,
    version,
    what,
    who,
)

app = typer.Typer(no_args_is_help=True, help="Audit logs of the server: who read what.")
for command in (
    anomalies.anomalies,
    archive.archive,
    backtest.backtest,
    devices.devices,
    ingest.ingest,
    read.read,
    report.report,
    verify.verify,
    version.version,
    what.what,
    who.who,
):
    app.command()(command)
