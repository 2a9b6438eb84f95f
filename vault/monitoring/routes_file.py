"""Configuration of Alertmanager: who gets which alert, and which alerts silence others."""

from __future__ import annotations

from typing import Any, Final

from vault.declare.schema.monitoring import Mail

#: Alert that names the cause of those that need the server.
SERVER_CAUSE: Final = "StrongroomNoLeader"
#: Who gets nothing: alerts are then seen on the pages of Alertmanager only.
NOBODY: Final = "nobody"
#: Time for alerts of one cause to arrive, so that they are one mail.
GROUP_WAIT: Final = "30s"
GROUP_INTERVAL: Final = "5m"
_REPEAT: Final = {"page": "4h", "ticket": "3d"}


def build_routes_file(
    mail: Mail | None, group_wait: str = GROUP_WAIT, group_interval: str = GROUP_INTERVAL
) -> dict[str, Any]:
    """Return the content of ``alertmanager.yml``, which sends nothing if *mail* is None."""
    receivers = [] if mail is None else [_receiver(mail, severity) for severity in _REPEAT]
    routes = [
        {"matchers": [f'severity="{each}"'], "receiver": each, "repeat_interval": repeat}
        for each, repeat in _REPEAT.items()
    ]
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": ["environment", "alertname"],
            "group_wait": group_wait,
            "group_interval": group_interval,
            "routes": [] if mail is None else routes,
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{SERVER_CAUSE}"'],
                "target_matchers": ['needs="server"'],
                "equal": ["environment"],
            }
        ],
        "receivers": [{"name": NOBODY}, *receivers],
    }


def _receiver(mail: Mail, severity: str) -> dict[str, Any]:
    account: dict[str, Any] = {}
    if mail.username:
        account["auth_username"] = mail.username
    if mail.password_file:
        account["auth_password_file"] = mail.password_file
    return {
        "name": severity,
        "email_configs": [
            {
                "to": mail.page if severity == "page" else mail.ticket,
                "from": mail.sender,
                "smarthost": mail.smarthost,
                "require_tls": mail.require_tls,
                "send_resolved": True,
                "headers": {"Subject": _SUBJECT},
                "html": "",
                "text": _TEXT,
                **account,
            }
        ],
    }


_SUBJECT: Final = (
    "[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }} in {{ .CommonLabels.environment }}"
)
_TEXT: Final = """{{ range .Alerts }}{{ .Status | toUpper }}: {{ .Annotations.summary }}
{{ .Annotations.description }}
{{ .Annotations.runbook_url }}

{{ end }}"""
