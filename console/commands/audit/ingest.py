"""Command ``audit ingest``: add what is new in logs to the store that the other commands ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.console import Console

from console.options import AuditLog, Env, Records, Root, Store, build_keep_option
from console.target.audit_logs.log_sources import LogSources, default_store
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.damage import show_damage
from console.views.escapes import say
from vault.audit.ingest.ingestion import Ingested

DAMAGED: Final = 2

out = Console(soft_wrap=True)


def ingest(
    env: Env,
    audit_log: AuditLog = None,
    records: Records = None,
    store: Store = None,
    keep: Annotated[
        int | None, build_keep_option("days after which lines are removed from it")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="a database user or accessor that the log has as an HMAC only"),
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Add what is new in audit logs and access records to the store of reports.

    Exit code 2 if a line is damaged. Each is named on standard error, and costs no other line.
    """
    target = open_target(env, root)
    sources = LogSources(target, audit_log or (), records or ())
    found = sources.update(
        store or default_store(target),
        names=name or (),
        now=datetime.now(UTC),
        keep=None if keep is None else timedelta(days=keep),
    )
    show(found)
    if found.damage:
        raise typer.Exit(DAMAGED)


def show(found: Ingested) -> None:
    """Print the numbers of lines, and each damaged line."""
    show_damage(found.damage)
    dropped = f", {found.dropped:,} old ones removed" if found.dropped else ""
    damaged = f", {len(found.damage):,} damaged" if found.damage else ""
    say(out, f"{found.lines:,} lines in the store, {found.new_lines:,} new{damaged}{dropped}")
