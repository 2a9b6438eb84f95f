"""Command ``audit report``: who read what, what was refused, and what the logs cover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from console.options import (
    DEFAULT_SINCE,
    AsJson,
    AuditLog,
    Env,
    Records,
    Root,
    ServiceFilter,
    Since,
    Store,
    Until,
)
from console.target.audit_logs.audit_store import Inputs, open_audit_store
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.output_files import check_output_file
from console.views.report import show_report
from vault.audit.ingest.index import Index
from vault.audit.report.report import build_report

#: The report names who did what.
MODE = 0o600

out = Console(soft_wrap=True)


def report(
    env: Env,
    service: ServiceFilter = None,
    since: Since = DEFAULT_SINCE,
    until: Until = None,
    audit_log: AuditLog = None,
    records: Records = None,
    store: Store = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="write a file for a browser, too")
    ] = None,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Report who read what, who was refused, and what changed, by the audit logs.

    No value is in it.
    """
    if html is not None:
        check_output_file("--html", html)
    target = open_target(env, root)
    if service is not None:
        target.declaration.service(service)
    inputs = Inputs(target, since, until, store, audit_log or (), records or ())
    with open_audit_store(inputs) as audit:
        document = build_report(
            audit.connection,
            audit.declared,
            audit.period,
            Index.load(audit.folder),
            service=service,
            namespace=audit.namespace,
        )
    if html is not None:
        from console.views.report_page import render_page  # noqa: PLC0415 (loads jinja2)

        replace_file(html, render_page(document).encode(), mode=MODE)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        show_report(out, document)
