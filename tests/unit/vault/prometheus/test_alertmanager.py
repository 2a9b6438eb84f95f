"""Alerts in responses of Alertmanager, and responses that are not Alertmanager's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from tests.support.servers.local_server import Server, serve
from vault.prometheus.alertmanager import (
    MAX_TEXT,
    Alert,
    AlertState,
    Silence,
    check_alertmanager_url,
    parse_alerts,
    read_alerts,
)


def alert(name: str, silenced: tuple[str, ...] = (), inhibited: tuple[str, ...] = ()) -> Any:
    return {
        "fingerprint": f"id of {name}",
        "labels": {"alertname": name},
        "annotations": {"summary": "down"},
        "startsAt": "2026-05-01T14:00:00.123456789+02:00",
        "status": {"silencedBy": [*silenced], "inhibitedBy": [*inhibited]},
    }


def silence(**changes: object) -> Any:
    ends = "2026-05-02T00:00:00Z"
    return {"id": "s1", "comment": "repair", "createdBy": "gaara", "endsAt": ends, **changes}


SINCE = datetime(2026, 5, 1, 12, 0, 0, 123456, UTC)


def test_alert_is_parsed_with_its_silence() -> None:
    found = parse_alerts([alert("A", silenced=("s1", "gone"))], [silence()])
    repair = Silence("repair", "gaara", datetime(2026, 5, 2, tzinfo=UTC))
    expected = Alert({"alertname": "A"}, {"summary": "down"}, SINCE, AlertState.SILENCED, (repair,))
    assert found == (expected,)


def test_inhibited_alert_has_the_names_of_its_causes() -> None:
    found = parse_alerts([alert("B", inhibited=("id of A", "gone")), alert("A")], [])
    assert [(each.state, each.causes) for each in found] == [
        (AlertState.INHIBITED, ("A",)),
        (AlertState.FIRING, ()),
    ]


def test_long_text_is_cut() -> None:
    (found,) = parse_alerts([alert("A" * 2 * MAX_TEXT)], [])
    assert found.labels["alertname"] == "A" * MAX_TEXT + "\N{HORIZONTAL ELLIPSIS}"


@pytest.mark.parametrize(
    ("alerts", "silences"),
    [
        (None, []),
        ({}, []),
        ([{}], []),
        ([None], []),
        ([alert("A")], {}),
        ([alert("A")], [silence(endsAt="soon")]),
        ([alert("A")], [silence(comment=1)]),
        ([{**alert("A"), "labels": {"a": 1}}], []),
        ([{**alert("A"), "labels": []}], []),
        ([{**alert("A"), "startsAt": "2026-05-01T14:00:00"}], []),
        ([{**alert("A"), "startsAt": "0001-01-01T00:00:00+14:00"}], []),
        ([{**alert("A"), "status": {"silencedBy": None, "inhibitedBy": []}}], []),
        ([{**alert("A"), "status": {"silencedBy": [[]], "inhibitedBy": []}}], []),
    ],
)
def test_other_response_is_rejected(alerts: object, silences: object) -> None:
    with pytest.raises(ConfigurationError, match="not that of Alertmanager's API"):
        parse_alerts(alerts, silences)


def test_server_that_is_not_alertmanager_is_an_error_with_what_to_do() -> None:
    with (
        serve(Server(status=404, content=b"s3cret")) as server,
        pytest.raises(ConfigurationError) as caught,
    ):
        read_alerts(server.address, "dev")
    reason = "the response has the status 404; check --alertmanager and that the server runs"
    assert str(caught.value) == f"{server.address} cannot be read: {reason}"


@pytest.mark.parametrize("url", ["https://host/alerts/", "http://127.0.0.1:9093", "http://[::1]:1"])
def test_url_of_this_machine_or_with_tls_is_accepted(url: str) -> None:
    assert check_alertmanager_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://host:9093", "http is allowed to this machine only"),
        ("HTTP://host:9093", "http is allowed to this machine only"),
        ("host:9093", r"--alertmanager is 'host:9093'; expected http"),
        ("https://me:hunter2@host", "--alertmanager contains credentials"),
    ],
)
def test_other_url_is_rejected(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        check_alertmanager_url(url)
