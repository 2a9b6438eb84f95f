"""Command ``audit backtest``: what each rule would have raised on the team's own log."""

from __future__ import annotations

import json

import typer
from rich.console import Console

from console import operate
from console.audit.anomaly_view import show_trials
from console.audit.audit_store import Inputs
from console.audit.rules_on_store import open_rules
from console.options import AsJson, Env, Root
from console.store_options import AuditLog, RulesFile, Since, Store
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
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show how often each rule would have raised something, also at other thresholds."""
    inputs = Inputs(env, since, None, store, audit_log or (), None, root)
    with open_rules(inputs, rules) as opened:
        found = [*trials.backtest(opened.connection, opened.context, opened.span, opened.since)]
    if as_json:
        document = trials_document(opened.environment, found, opened.span, opened.since)
        typer.echo(json.dumps(document, indent=2))
    else:
        show_trials(out, found, opened.span, opened.since)
