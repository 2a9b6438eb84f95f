"""View of the alerts of an environment: what fires, and what is silent and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.views.cells import BAD, WARN, Badge, Link
from vault.prometheus.alertmanager import Alert, AlertState

#: Most alerts of a group that are shown; the filters find the others.
MOST: Final = 100
#: Usual severities, the worst first. This tool's alerts have page or ticket, others may have any.
SEVERITIES: Final = ("page", "critical", "ticket", "warning", "info")
#: Those that page the operator.
_PAGING: Final = ("page", "critical")
_OTHER: Final = "other"
#: Labels that are shown elsewhere, or are those of all alerts.
_KNOWN: Final = ("alertname", "severity", "environment")


@dataclass(frozen=True, slots=True)
class AlertsFilter:
    """What the address asks for; each part is empty if it does not matter."""

    severity: str = ""
    state: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class AlertCard:
    """One alert, as the view shows it."""

    of: Alert
    name: str
    severity: Badge | None
    runbook: Link | str
    labels: tuple[tuple[str, str], ...]


def build_groups(
    found: Sequence[Alert], asked: AlertsFilter
) -> list[tuple[AlertState, int, tuple[AlertCard, ...]]]:
    """Return each state that alerts have: their number, and the first ones that fit."""
    shown = sorted((each for each in found if _fits(each, asked)), key=_order)
    groups = ((state, [each for each in shown if each.state is state]) for state in AlertState)
    return [
        (state, len(group), tuple(map(_build_card, group[:MOST])))
        for state, group in groups
        if group
    ]


def find_severities(found: Iterable[Alert], asked: AlertsFilter) -> list[str]:
    """Return the severities that can be filtered by, the worst first."""
    return sorted({asked.severity, *map(_severity, found)} - {""}, key=_rank)


def count_firing(alerts: Iterable[Alert]) -> Counter[str]:
    """Return the number of firing alerts by severity, in the order of :data:`SEVERITIES`.

    Those of any other severity are one number.
    """
    firing = [_severity(each) for each in alerts if each.state is AlertState.FIRING]
    counts = Counter(each if each in SEVERITIES else _OTHER for each in firing)
    return Counter({each: counts[each] for each in (*SEVERITIES, _OTHER) if counts[each]})


def find_tone(severity: str) -> str:
    """Return the colour of a severity: bad if the operator is paged, else a warning."""
    return BAD if severity in _PAGING else WARN


def show_alerts(request: PageRequest) -> Response:
    """Return the view that the address asks for."""
    environment = request.environment()
    asked = AlertsFilter(
        request.text("severity"), request.choice("state", list(AlertState)), request.text("q")
    )
    source = environment.alerts
    if source is not None:
        request.use(source)
    found = source.get().value if source is not None else None
    return request.render(
        "alerts.html.j2",
        "Alerts",
        environment=environment,
        asked=asked,
        groups=build_groups(found or (), asked),
        severities=find_severities(found or (), asked),
        total=len(found or ()),
        command=environment.commands.show_alerts(),
        is_configured=source is not None,
        is_read=found is not None,
        states=list(AlertState),
    )


def _severity(alert: Alert) -> str:
    return alert.labels.get("severity", "")


def _rank(severity: str) -> tuple[int, str]:
    known = severity in SEVERITIES
    return (SEVERITIES.index(severity) if known else len(SEVERITIES), severity)


def _order(alert: Alert) -> tuple[tuple[int, str], float, str]:
    """Return the place of an alert: the worst first, and of those the newest."""
    name = alert.labels.get("alertname", "")
    return (_rank(_severity(alert)), -alert.since.timestamp(), name)


def _fits(alert: Alert, asked: AlertsFilter) -> bool:
    texts = [*(f"{name}={text}" for name, text in alert.labels.items())]
    texts += alert.annotations.values()
    return (
        asked.severity in {"", _severity(alert)}
        and asked.state in {"", alert.state.value}
        and any(asked.text.lower() in text.lower() for text in texts or [""])
    )


def _build_card(alert: Alert) -> AlertCard:
    labels, severity = alert.labels, _severity(alert)
    runbook = alert.annotations.get("runbook_url", "")
    return AlertCard(
        alert,
        labels.get("alertname", "") or "an alert without a name",
        Badge(severity, find_tone(severity)) if severity else None,
        Link("Runbook", runbook) if _is_link(runbook) else runbook,
        tuple(sorted((name, text) for name, text in labels.items() if name not in _KNOWN)),
    )


def _is_link(url: str) -> bool:
    """Return whether *url* is an address of the web, whose host is as it looks."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\@")
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
