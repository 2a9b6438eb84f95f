"""View of alerts: their order, filters and groups, and which addresses become links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from console.page.views.alerts import MOST, AlertsFilter, build_groups, find_severities
from console.views.cells import Link
from vault.prometheus.alertmanager import Alert, AlertState, Silence

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def alert(name: str, severity: str = "page", minutes: int = 0, **annotations: str) -> Alert:
    labels = {"alertname": name, "severity": severity, "environment": "dev"}
    return Alert(labels, annotations, NOW - timedelta(minutes=minutes), AlertState.FIRING)


SILENCED = Alert(
    {"alertname": "Quiet", "service": "shop"},
    {},
    NOW,
    AlertState.SILENCED,
    (Silence("repair", "gaara", NOW),),
)
FOUND = [
    alert("Sometime", "sometime"),
    SILENCED,
    alert("Later", "ticket"),
    alert("Old", minutes=5),
    alert("New", minutes=1, summary="Down in Zürich"),
]


def names(asked: AlertsFilter) -> list[list[str]]:
    return [[card.name for card in cards] for _, _, cards in build_groups(FOUND, asked)]


def test_alerts_are_in_order_of_severity_and_the_newest_first() -> None:
    assert names(AlertsFilter()) == [["New", "Old", "Later", "Sometime"], ["Quiet"]]
    assert find_severities(FOUND, AlertsFilter()) == ["page", "ticket", "sometime"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (AlertsFilter(severity="ticket"), [["Later"]]),
        (AlertsFilter(state="silenced"), [["Quiet"]]),
        (AlertsFilter(text="SERVICE=shop"), [["Quiet"]]),
        (AlertsFilter(text="zürich"), [["New"]]),
        (AlertsFilter(state="inhibited"), []),
    ],
)
def test_filter_leaves_what_fits(asked: AlertsFilter, expected: list[list[str]]) -> None:
    assert names(asked) == expected


def test_severity_in_the_address_stays_in_the_filter_when_no_alert_has_it() -> None:
    assert find_severities([], AlertsFilter(severity="page")) == ["page"]


def test_silenced_alert_has_its_silence_and_its_own_labels() -> None:
    ((state, _, (card,)),) = build_groups([SILENCED], AlertsFilter())
    assert (state, card.of.silences[0].reason) == (AlertState.SILENCED, "repair")
    assert (card.severity, card.labels) == (None, (("service", "shop"),))


def test_many_alerts_are_counted_and_the_first_ones_shown() -> None:
    many = [alert(str(number)) for number in range(MOST + 1)]
    ((_, count, cards),) = build_groups(many, AlertsFilter())
    assert (count, len(cards)) == (MOST + 1, MOST)


@pytest.mark.parametrize("url", ["https://host/Runbook#sealed", "http://host:80/a?b=c&d"])
def test_address_of_a_runbook_is_a_link(url: str) -> None:
    ((_, _, (card,)),) = build_groups([alert("A", runbook_url=url)], AlertsFilter())
    assert card.runbook == Link("Runbook", url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "docs/Runbook.md#sealed",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "//host/path",
        "http:///path",
        "https://runbook@evil.example",
        "https://host\\@evil.example",
        "https://[::1",
        "https://h\u043est",
        "https://host/\u202e",
    ],
)
def test_other_text_is_no_link(url: str) -> None:
    ((_, _, (card,)),) = build_groups([alert("A", runbook_url=url)], AlertsFilter())
    assert card.runbook == url
