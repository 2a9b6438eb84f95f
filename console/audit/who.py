"""Command ``audit who``: who read a secret or used a key."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from console import operate
from console.audit.audit_store import Inputs, open_audit_store, read_scope
from console.audit.report_view import show_answer
from console.audit.tables import who_tables
from console.options import AsJson, Env, Root, Service
from console.store_options import DEFAULT_SINCE, AuditLog, Records, Since, Store, Until
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
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show who read a secret or used a key, when, from where, and which version."""
    scope = read_scope(service, env, secret)
    inputs = Inputs(env, since, until, store, audit_log or (), records or (), root)
    with open_audit_store(inputs) as audit:
        group_activity(audit.connection, audit.declared, audit.period, audit.namespace)
        answer = answer_who(audit.connection, audit.declared, audit.period, scope, secret)
        answer["coverage"]["logs"] = audit.describe_logs()
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_answer(out, answer, who_tables(answer))
