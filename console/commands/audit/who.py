"""Command ``audit who``: who read a secret or used a key."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

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
from console.target.audit_logs.audit_store import Inputs, find_object_scope, open_audit_store
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.report import show_answer
from console.views.report_tables import who_tables
from vault.audit.report.activity import group_activity
from vault.audit.report.questions import answer_who

out = Console(soft_wrap=True)


def who(
    secret: Annotated[str, typer.Argument(help="a declared secret, key or database role")],
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
    """Show who read one secret or used one key, when, from where, and which version."""
    target = open_target(env, root)
    scope = find_object_scope(target, service, secret)
    inputs = Inputs(target, since, until, store, audit_log or (), records or ())
    with open_audit_store(inputs) as audit:
        group_activity(audit.connection, audit.declared, audit.period, audit.namespace)
        answer = answer_who(audit.connection, audit.declared, audit.period, scope, secret)
        answer["coverage"]["logs"] = audit.describe_logs()
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_answer(out, answer, who_tables(answer))
