"""Sub-command ``audit``. Each command has a module of its own."""

from __future__ import annotations

import typer

from console.audit import archive, devices, ingest, read, verify

app = typer.Typer(no_args_is_help=True, help="Audit logs of the server.")
for command in (
    archive.archive,
    devices.devices,
    ingest.ingest,
    read.read,
    verify.verify,
):
    app.command()(command)
