"""Command ``audit version``: who still reads which version of a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app_integration.errors import StrongroomError
from app_integration.names import Scope
from console import operate
from console.audit.audit_store import AuditStore, Inputs, open_audit_store, read_scope
from console.audit.report_view import show_answer
from console.audit.tables import version_tables
from console.operator_session import open_job_session
from console.options import AsJson, Env, Root, Service
from console.store_options import DEFAULT_SINCE, AuditLog, Records, Since, Store, Until
from vault.audit.report.activity import group_activity
from vault.audit.report.current_version import read_current_version
from vault.audit.report.questions import answer_version, find_objects
from vault.declare.server_names import AUDITOR_JOB

out = Console(soft_wrap=True)


def version(
    secret: Annotated[str, typer.Argument(help="a declared secret or key")],
    env: Env,
    service: Service,
    since: Since = DEFAULT_SINCE,
    until: Until = None,
    audit_log: AuditLog = None,
    records: Records = None,
    store: Store = None,
    as_json: AsJson = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show which version each reader of a secret got last.

    The server is asked for the current version. If it cannot be, the newest one in the log counts.
    """
    scope = read_scope(service, env, secret)
    inputs = Inputs(env, since, until, store, audit_log or (), records or (), root)
    with open_audit_store(inputs) as audit:
        group_activity(audit.connection, audit.declared, audit.period, audit.namespace)
        current, reason = _ask_server(audit, scope, secret, root)
        answer = answer_version(
            audit.connection, audit.declared, audit.period, scope, secret, current
        )
        answer["coverage"]["logs"] = audit.describe_logs()
    answer["server_error"] = reason
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_answer(out, answer, version_tables(answer), _describe(answer))


def _ask_server(
    audit: AuditStore, scope: Scope, secret: str, root: Path
) -> tuple[int | None, str | None]:
    """Return the current version, or why the server cannot be asked for it."""
    objects = find_objects(audit.declared, scope, secret)
    try:
        with open_job_session(scope.environment.value, root, AUDITOR_JOB) as session:
            return read_current_version(session, objects, audit.declared.mounts), None
    except StrongroomError as error:
        return None, str(error)


def _describe(answer: dict[str, Any]) -> Iterator[str]:
    """Yield sentences about the current version."""
    if answer["server_error"] is not None:
        yield f"The server was not asked for the current version: {answer['server_error']}"
    if answer["current"] is not None:
        by = "the server" if answer["current_by"] == "server" else "the log, in which it is newest"
        yield f"The current version is {answer['current']}, by {by}."
