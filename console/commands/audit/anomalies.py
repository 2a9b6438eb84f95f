"""Command ``audit anomalies``: what is unusual in the audit log, by named rules."""

from __future__ import annotations

import json
from typing import Final

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from console.options import AsJson, AuditLog, Env, Root, RulesFile, Since, Store
from console.target.audit_logs.audit_store import Inputs
from console.target.audit_logs.rules_on_store import open_rules
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from console.views.anomalies import damage_lines, show_findings
from console.views.escapes import say
from console.views.output_files import METRICS_MODE, Metrics
from vault.audit.anomalies.detection import find_anomalies
from vault.audit.anomalies.document import findings_document
from vault.declare.schema.anomalies import is_active

FOUND: Final = 2

out = Console(soft_wrap=True)


def anomalies(
    env: Env,
    since: Since = "1d",
    rules: RulesFile = None,
    audit_log: AuditLog = None,
    store: Store = None,
    metrics: Metrics = None,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show what is unusual in the audit log. Exit code 2 if a rule found something."""
    target = open_target(env, root)
    inputs = Inputs(target, since, None, store, audit_log or (), None)
    with open_rules(inputs, rules) as opened:
        found = find_anomalies(opened.connection, opened.context, opened.since)
    declared = opened.context.rules
    if metrics is not None:
        from vault.audit.anomalies.metrics import render_metrics  # noqa: PLC0415 (loads prometheus_client)

        text = render_metrics(opened.environment, declared, found, opened.span.last, opened.now)
        replace_file(metrics, text, mode=METRICS_MODE)
    today = opened.context.today
    expired = [each for each in declared.ignore if not is_active(each, today)]
    if as_json:
        document = findings_document(
            opened.environment, declared, found, opened.span, opened.since, expired
        )
        typer.echo(json.dumps(document, indent=2))
    else:
        show_findings(out, declared, found, opened.span, opened.since, expired)
        for line in damage_lines(opened.damaged):
            say(out, line)
    if found:
        raise typer.Exit(FOUND)
