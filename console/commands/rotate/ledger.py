"""Command ``ledger``: the age, due date and last read of all that is rotated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError
from aws.environment import open_connection
from aws.monitoring.monitored_environment import Watched, find_watched
from console.options import AsJson, AuditLog, Env, Root, ServiceFilter, Store
from console.target.environment_ledger import read_ledger
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import Target, open_target
from console.views.ledger import show_ledger
from console.views.output_files import METRICS_MODE, Metrics
from vault.rotation.ledger.document import document
from vault.rotation.ledger.ledger import Row, State

OVERDUE: Final = 2

out = Console(soft_wrap=True)


def ledger(
    env: Env,
    service: ServiceFilter = None,
    audit_log: AuditLog = None,
    store: Store = None,
    metrics: Metrics = None,
    cloudwatch: Annotated[
        bool, typer.Option("--cloudwatch", help="on AWS: publish how many are overdue, too")
    ] = False,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show the age, due date and last read of each secret, key and credential.

    No secret value is read. Exit code 2 if a rotation is overdue.
    """
    target, now = open_target(env, root), datetime.now(UTC)
    environment = target.environment
    watched = _find_watched(target, service) if cloudwatch else None
    rows, logs = read_ledger(target, service, audit_log or (), store, now)
    if metrics is not None:
        from vault.rotation.ledger.metrics import render_metrics  # noqa: PLC0415 (loads prometheus_client)

        replace_file(metrics, render_metrics(environment, rows, now), mode=METRICS_MODE)
    if watched is not None:
        _publish(target, watched, rows, now)
    if as_json:
        typer.echo(json.dumps(document(environment, rows, logs, now), indent=2))
    else:
        show_ledger(out, rows, logs)
    if any(row.state is State.OVERDUE for row in rows):
        raise typer.Exit(OVERDUE)


def _find_watched(target: Target, service: str | None) -> Watched:
    """Return what watches the environment, before any request."""
    if service is not None:
        raise typer.BadParameter("--cloudwatch counts all services; leave out --service")
    watched = find_watched(target.declaration, target.environment)
    if watched is None:
        raise ConfigurationError(
            f"{target.environment} has no monitoring, so that nothing reads the metric; declare"
            " 'monitoring' under 'aws' in its file"
        )
    return watched


def _publish(target: Target, watched: Watched, rows: Sequence[Row], now: datetime) -> None:
    """Write the number of overdue rows as a metric of CloudWatch."""
    from aws.monitoring.alarms import publish_overdue  # noqa: PLC0415 (it loads boto3)

    overdue = sum(row.state is State.OVERDUE for row in rows)
    with closing(open_connection(target.declaration, watched.environment)) as connection:
        publish_overdue(connection, watched, overdue, now)
