"""Files of the monitoring, as text. None contains a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from vault.declare import durations
from vault.declare.schema.monitoring import Monitoring
from vault.monitoring.alerts import Alert, select_alerts
from vault.monitoring.dashboard import build_dashboard
from vault.monitoring.routes_file import GROUP_INTERVAL, GROUP_WAIT, build_routes_file
from vault.monitoring.scrape_file import build_scrape_file
from vault.monitoring.targets import Targets


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


RULES: Final = "rules.yml"
SCRAPE: Final = "prometheus.yml"
ROUTES: Final = "alertmanager.yml"
DASHBOARD: Final = "dashboard.json"
_HEADER: Final = "# Written by strongroom monitoring. Change monitoring.yaml instead.\n"


def render_files(
    monitoring: Monitoring,
    targets: Mapping[str, Targets],
    group_wait: str = GROUP_WAIT,
    group_interval: str = GROUP_INTERVAL,
) -> dict[str, str]:
    """Return each file's text by its name."""
    routes = build_routes_file(monitoring.mail, group_wait, group_interval)
    return {
        RULES: _render(build_rules(select_alerts(monitoring), monitoring.runbook)),
        SCRAPE: _render(build_scrape_file(monitoring, targets)),
        ROUTES: _render(routes),
        DASHBOARD: json.dumps(build_dashboard(), indent=2) + "\n",
    }


def _render(document: Mapping[str, Any]) -> str:
    """Return *document* as YAML, with text of several lines as a block."""
    yaml = YAML()
    yaml.width = 4096  # no line is wrapped
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(_with_blocks(document), stream)
    return f"{_HEADER}{stream.getvalue()}"


def _with_blocks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_blocks(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_blocks(each) for each in value]
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value if value.endswith("\n") else f"{value}\n")
    return value
