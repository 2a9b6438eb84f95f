"""Command ``audit backtest``: what each rule would have raised on the team's own log."""

from __future__ import annotations

import json

import typer
from rich.console import Console

from console.options import AsJson, AuditLog, Env, Root, RulesFile, Since, Store
from console.target.audit_logs.audit_store import Inputs
from console.target.audit_logs.rules_on_store import open_rules
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.anomalies import show_trials
from vault.audit.anomalies import backtest as trials
from vault.audit.anomalies.document import trials_document

out = Console(soft_wrap=True)


def backtest(
    env: Env,
    since: Since = "90d",
    rules: RulesFile = None,
    audit_log: AuditLog = None,
    store: Store = None,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show how often each rule would have raised something, also at other thresholds."""
    target = open_target(env, root)
    inputs = Inputs(target, since, None, store, audit_log or (), None)
    with open_rules(inputs, rules) as opened:
        found = [*trials.backtest(opened.connection, opened.context, opened.span, opened.since)]
    if as_json:
        document = trials_document(opened.environment, found, opened.span, opened.since)
        typer.echo(json.dumps(document, indent=2))
    else:
        show_trials(out, found, opened.span, opened.since)
