"""Command ``audit version``: who still reads which version of a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console

from app_integration.errors import StrongroomError
from app_integration.names import Scope
from console.options import (
    DEFAULT_SINCE,
    AsJson,
    AuditLog,
    Env,
    Records,
    Root,
    Service,
    Since,
    Store,
    Until,
)
from console.target.audit_logs.audit_store import (
    AuditStore,
    Inputs,
    find_object_scope,
    open_audit_store,
)
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_job_session
from console.target.target import Target, open_target
from console.views.report import show_answer
from console.views.report_tables import version_tables
from vault.audit.report.activity import group_activity
from vault.audit.report.declared_objects import read_current_version
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
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show which version each reader of a secret got last.

    The server is asked for the current version. If it cannot be, the newest one in the log counts.
    """
    target = open_target(env, root)
    scope = find_object_scope(target, service, secret)
    inputs = Inputs(target, since, until, store, audit_log or (), records or ())
    with open_audit_store(inputs) as audit:
        group_activity(audit.connection, audit.declared, audit.period, audit.namespace)
        current, reason = _ask_server(audit, target, scope, secret)
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
    audit: AuditStore, target: Target, scope: Scope, secret: str
) -> tuple[int | None, str | None]:
    """Return the current version, or why the server cannot be asked for it."""
    objects = find_objects(audit.declared, scope, secret)
    try:
        with open_job_session(target, AUDITOR_JOB) as session:
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
