"""Model of ``monitoring.yaml``: what Prometheus scrapes, who gets mail, and changed alerts.

Of an alert, a team's file has the keys that differ, so that each key has a default of None there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from vault.declare import durations
from vault.declare.errors import InvalidValue, describe_type, format_value, join_names
from vault.declare.schema.anomalies import Text
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    EnvironmentName,
    HostPort,
    ServiceName,
    Within,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.logins import AbsolutePath
from vault.declare.schema.text_types import Matching

_PATH: Final = r"/[^\x00-\x20\x7f\"'\\]{0,200}"
#: Labels of each target of an application, which the alerts select on.
OWN_LABELS: Final = ("environment", "service", "component")
#: Default of a key that a team's file leaves out.
_LEFT_OUT: Final[Any] = None

_THRESHOLD: Final = "a number from 0, or a duration such as 7d"


def _threshold(value: object) -> float | str:
    """Return *value*, whose kind the built-in alert decides."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0:
            raise InvalidValue(f"is {value}", _THRESHOLD)
        return value
    if not isinstance(value, str):
        raise InvalidValue(f"is {describe_type(value)}", _THRESHOLD)
    try:
        durations.parse(value)
    except ValueError:
        raise InvalidValue(f"is {format_value(value)}", _THRESHOLD) from None
    return value


UrlPath = Annotated[str, Matching(_PATH, "a path such as /metrics")]
Email = Annotated[str, Matching(r"[^@\s:\"']+@[^@\s:\"']+", "an e-mail address")]
Label = Annotated[
    str,
    Matching(
        r"[a-zA-Z_][a-zA-Z0-9_]{0,60}",
        f"the name of a label other than {join_names(OWN_LABELS)}, without '__' in front",
        lambda name: name not in OWN_LABELS and not name.startswith("__"),
    ),
]
Anchor = Annotated[str, Matching(r"[^\x00-\x20\x7f\"#{}]{1,200}", "an anchor, without '#'")]
AlertName = Annotated[str, Matching(r"[A-Za-z][A-Za-z0-9]{0,80}", "the name of an alert")]
RunbookUrl = Annotated[
    str,
    Matching(
        # Without braces, because Prometheus takes an annotation for a template.
        r"[!-z|~]{1,300}",
        "the address of a runbook, without its anchor",
        lambda v: "#" not in v,
    ),
]
Interval = Annotated[int, Within("1s", "5m")]
Pending = Annotated[int, Within("0s", "7d")]
Threshold = Annotated[
    float | str,
    PlainValidator(_threshold),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "description": _THRESHOLD}),
]
Severity = Literal["page", "ticket"]


class AlertOverride(Section):
    """Changed keys of a built-in alert."""

    enabled: bool = Field(
        _LEFT_OUT, description="true or false: whether there is such an alert; by default 'true'"
    )
    threshold: Threshold = Field(
        _LEFT_OUT, description=f"{_THRESHOLD}; by default that of the alert"
    )
    pending: Pending = Field(
        _LEFT_OUT,
        description="a duration for which it must hold, such as 5m; by default that of the alert",
    )
    severity: Severity = Field(
        _LEFT_OUT, description="page or ticket; by default that of the alert"
    )
    runbook: Anchor = Field(
        _LEFT_OUT, description="an anchor in the runbook, without '#'; by default that of the alert"
    )


class Application(Section):
    """Instances of a service that show the SDK's metrics."""

    service: ServiceName = Field(description="a declared service")
    targets: Distinct[HostPort] = Field(
        description="a list of host:port, such as ['tracking-1.example.com:8080']"
    )
    path: UrlPath = Field("/metrics", description="the path of its metrics")
    scheme: Literal["http", "https"] = Field(
        "http", description="http or https: how they are scraped"
    )
    token_file: AbsolutePath | None = Field(
        None, description="a file that Prometheus reads, with the service's metrics token"
    )
    ca_file: AbsolutePath | None = Field(
        None, description="a PEM file that Prometheus reads, of the application's authority"
    )
    labels: Mapping[Label, Text] = Field(
        {}, description="entries like 'colour: blue', further labels of each series"
    )


class Scraped(Section):
    """What Prometheus scrapes in one environment."""

    servers: tuple[HostPort, ...] = Field(
        (),
        description="a list of host:port, of each server of the cluster; by default the"
        " declared addresses",
    )
    server_token_file: AbsolutePath | None = Field(
        None, description="a file that Prometheus reads, with a Vault token for sys/metrics"
    )
    ca_file: AbsolutePath | None = Field(
        None, description="a PEM file that Prometheus reads, of the servers' authority"
    )
    applications: tuple[Application, ...] = Field(
        (), description="a list of entries with service and targets"
    )
    hosts: tuple[HostPort, ...] = Field(
        (), description="a list of host:port, of node exporters that show files of the checks"
    )


class Mail(Section):
    """How Alertmanager sends mail."""

    smarthost: HostPort = Field(description="host:port of the mail server")
    sender: Email = Field(description="the address that mail is sent from")
    page: Email = Field(description="the address for alerts that page the operator")
    ticket: Email = Field(description="the address for all other alerts")
    username: Text | None = Field(None, description="the account at the mail server")
    password_file: AbsolutePath | None = Field(
        None,
        description="a file that Alertmanager reads, with the account's password",
        validate_default=True,
    )
    require_tls: bool = Field(
        True, description="true, or false for a mail server on the same machine"
    )

    @field_validator("password_file")
    @classmethod
    def _together_with_username(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Alertmanager would not log in, and the mail server would reject each alert.
        if "username" in info.data and (info.data["username"] is None) != (value is None):
            what = "is not set" if value is None else "is set"
            raise InvalidValue(what, "it together with username, or neither")
        return value


class Monitoring(Section):
    """The file ``monitoring.yaml``."""

    interval: Interval = Field(15, description="a duration between two scrapes, such as 15s")
    runbook: RunbookUrl = Field(
        "docs/Runbook.md", description="address of the runbook that alerts link to"
    )
    alertmanager: HostPort = Field("127.0.0.1:9093", description="host:port of the Alertmanager")
    mail: Mail | None = Field(
        None,
        description="a mapping with smarthost, sender, page and ticket; by default no mail is sent",
    )
    environments: Mapping[EnvironmentName, Scraped] = Field(
        {}, description="entries like 'prod: {hosts: [vault.example.com:9100]}'"
    )
    alerts: Mapping[AlertName, AlertOverride] = Field(
        {}, description="entries like 'StrongroomRotationDue: {threshold: 14d}', built-in alerts"
    )
