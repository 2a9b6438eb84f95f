"""Rules of Prometheus: one group of alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vault.declare import durations
from vault.monitoring.alerts import Alert


def build_rules(alerts: Mapping[str, Alert], runbook: str) -> dict[str, Any]:
    """Return the content of ``rules.yml``."""
    rules = [_build_rule(name, alert, runbook) for name, alert in alerts.items()]
    return {"groups": [{"name": "strongroom", "rules": rules}]}


def _build_rule(name: str, alert: Alert, runbook: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": name, "expr": alert.rendered_expr}
    if alert.pending:
        rule["for"] = durations.render(alert.pending)
    rule["labels"] = {"severity": alert.severity}
    if alert.needs:
        rule["labels"]["needs"] = alert.needs
    rule["annotations"] = {
        "summary": alert.summary,
        "description": alert.action,
        "runbook_url": f"{runbook}#{alert.runbook}",
    }
    return rule
