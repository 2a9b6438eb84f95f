"""Command ``ledger``: the age, due date and last read of all that is rotated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from aws.monitoring.watched import Watched
from console import operate
from console.aws_ledger import publish, read_aws_ledger, require_watched
from console.ledger_view import show_ledger
from console.metrics_file import METRICS_MODE, Metrics
from console.operator_session import open_job_session
from console.options import AsJson, Env, OnlyService, Root
from console.response_log import open_response_log
from console.store_options import AuditLog, Store
from vault.declare.server_names import AUDITOR_JOB
from vault.reconcile.resources.ownership import Owner
from vault.rotation.inventory import declared_items
from vault.rotation.ledger.document import document
from vault.rotation.ledger.last_reads import AuditLogs, read_audit_logs
from vault.rotation.ledger.ledger import Row, State, build_ledger
from vault.rotation.record import RecordStore
from vault.rotation.server_ages import read_ages

OVERDUE: Final = 2

out = Console(soft_wrap=True)


def ledger(
    env: Env,
    service: OnlyService = None,
    audit_log: AuditLog = None,
    store: Store = None,
    metrics: Metrics = None,
    cloudwatch: Annotated[
        bool, typer.Option("--cloudwatch", help="on AWS: publish how many are overdue, too")
    ] = False,
    as_json: AsJson = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show the age, due date and last read of each secret, key and credential.

    No secret value is read. Exit code 2 if a rotation is overdue.
    """
    environment = operate.resolve_environment(env)
    now = datetime.now(UTC)
    watched = _watched(environment, service) if cloudwatch else None
    rows, logs = read_ledger(environment, service, audit_log or (), store, root, now)
    if metrics is not None:
        from vault.rotation.ledger.metrics import render_metrics  # noqa: PLC0415 (loads prometheus_client)

        replace_file(metrics, render_metrics(environment, rows, now), mode=METRICS_MODE)
    if watched is not None:
        publish(operate.load_declaration(), watched, rows, now)
    if as_json:
        typer.echo(json.dumps(document(environment, rows, logs, now), indent=2))
    else:
        show_ledger(out, rows, logs)
    if any(row.state is State.OVERDUE for row in rows):
        raise typer.Exit(OVERDUE)


def read_ledger(
    environment: Environment,
    service: str | None,
    audit_logs: Sequence[Path],
    store: Path | None,
    root: Path,
    now: datetime,
) -> tuple[list[Row], AuditLogs | None]:
    """Return the rows of an environment, and what its audit logs say, None if there is none.

    Args:
        environment: The environment.
        service: The only service to return rows of, or None for all services and the jobs.
        audit_logs: Files of the server's audit devices, and folders of archives. Those of the local
            deployment are read if none is named.
        store: Folder of the store of audit lines, or None.
        root: Folder of the local deployment.
        now: The current time.

    Raises:
        ConfigurationError: If the service does not run there, a file is no audit log, or there is
            no local deployment, credential or address.
        AccessDenied: If the credential may not read the metadata.
        OSError: If an audit log cannot be read.

    """
    declaration = operate.load_declaration()
    declared = declaration.environment(environment)
    if declared.aws is not None:
        if audit_logs or store is not None:
            raise ConfigurationError(
                f"{environment} is on AWS, where reads are in CloudTrail; leave out --audit-log"
                " and --store"
            )
        return read_aws_ledger(declaration, environment, service, now), None
    items = declared_items(declaration, environment, service)
    # Before the login, so that a wrong file is rejected first and this login is not in the log.
    log = open_response_log(environment, audit_logs, store, root)
    logs = None if log is None else read_audit_logs(log, items, declared.mounts)
    with open_job_session(environment.value, root, AUDITOR_JOB) as session:
        ages = partial(read_ages, session, mounts=declared.mounts, now=now)
        owner = Owner.of(declared)
        return build_ledger(
            items, ages, logs, now, lambda item: RecordStore(session, owner, item).read()
        ), logs


def _watched(environment: Environment, service: str | None) -> Watched:
    """Return what watches the environment, before any request."""
    if service is not None:
        raise typer.BadParameter("--cloudwatch counts all services; leave out --service")
    return require_watched(operate.load_declaration(), environment)
