"""Command ``audit what``: all that an actor did."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from console.options import DEFAULT_SINCE, AsJson, AuditLog, Env, Records, Root, Since, Store, Until
from console.target.audit_logs.audit_store import Inputs, open_audit_store
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.report import show_answer
from console.views.report_tables import what_tables
from vault.audit.report.questions import answer_what

out = Console(soft_wrap=True)


def what(
    actor: Annotated[
        str,
        typer.Argument(help="a role, person, alias, entity or host, or the HMAC of a token"),
    ],
    env: Env,
    since: Since = DEFAULT_SINCE,
    until: Until = None,
    audit_log: AuditLog = None,
    records: Records = None,
    store: Store = None,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show all that an actor did, changes first."""
    target = open_target(env, root)
    inputs = Inputs(target, since, until, store, audit_log or (), records or ())
    with open_audit_store(inputs) as audit:
        answer = answer_what(audit.connection, audit.declared, audit.period, audit.namespace, actor)
        answer["coverage"]["logs"] = audit.describe_logs()
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_answer(out, answer, what_tables(answer))
