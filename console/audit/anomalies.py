"""Command ``audit anomalies``: what is unusual in the audit log, by named rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final, cast

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from console import operate
from console.audit.anomaly_options import AsJson, RulesFile, Since, Store
from console.audit.anomaly_view import show_findings
from console.audit.rules_on_store import Inputs, open_rules
from console.metrics_file import METRICS_MODE, Metrics
from console.options import AuditLog, Env, Root
from vault.audit.anomalies.detection import find_anomalies
from vault.audit.anomalies.document import findings_document
from vault.audit.anomalies.metrics import render_metrics
from vault.declare.schema.anomalies import is_active

FOUND: Final = 2
#: The parser of the option takes text, also for a default.
_DAY: Final = cast("Any", "1d")

out = Console(soft_wrap=True)


def anomalies(
    env: Env,
    since: Since = _DAY,
    rules: RulesFile = None,
    audit_log: AuditLog = None,
    store: Store = None,
    metrics: Metrics = None,
    as_json: AsJson = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Show what is unusual in the audit log. Exit code 2 if a rule found something."""
    now = datetime.now(UTC)
    inputs = Inputs(env, since, rules, audit_log or (), store, root, now)
    with open_rules(inputs) as asked:
        found = find_anomalies(asked.connection, asked.question, asked.since)
    declared = asked.question.rules
    if metrics is not None:
        text = render_metrics(asked.environment, declared, found, asked.span.last, now)
        replace_file(metrics, text, mode=METRICS_MODE)
    today = asked.question.today
    expired = [each for each in declared.ignore if not is_active(each, today)]
    if as_json:
        document = findings_document(
            asked.environment, declared, found, asked.span, asked.since, expired
        )
        typer.echo(json.dumps(document, indent=2))
    else:
        show_findings(out, declared, found, asked.span, asked.since, expired)
    if found:
        raise typer.Exit(FOUND)
