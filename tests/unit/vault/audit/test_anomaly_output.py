"""Output of the rules: ids, metrics, documents, and the thresholds of a backtest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app_integration.names import Environment
from vault.audit.anomalies.backtest import THRESHOLDS, _values
from vault.audit.anomalies.detection import find_learning
from vault.audit.anomalies.document import findings_document
from vault.audit.anomalies.finding import Evidence, Finding
from vault.audit.anomalies.metrics import render_metrics
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules_reader import NAMES, built_in, rule_of, with_threshold

TIME: Final = datetime(2026, 5, 1, 12, 30)  # noqa: DTZ001 (the table has UTC without a zone)
NOW: Final = datetime(2026, 5, 1, 13, tzinfo=UTC)
SPAN: Final = Span(TIME - timedelta(days=30), TIME, 7)
FINDING: Final = Finding(
    "burst",
    "medium",
    'a"}\n\x1b[2J',
    is_person=False,
    host=None,
    subject="",
    slot=TIME.replace(minute=0),
    first=TIME,
    last=TIME,
    count=100,
    usual=1.0,
    evidence=(Evidence(TIME, None, "read", "secret/data/x", None),),
)


def test_id_depends_on_what_a_finding_is_about_and_not_on_what_it_counts() -> None:
    assert len(FINDING.id) == 12
    later = replace(FINDING, last=TIME + timedelta(hours=1), count=200, usual=2.0, evidence=())
    assert later.id == FINDING.id
    others = [
        replace(FINDING, rule="first_time"),
        replace(FINDING, actor="a"),
        replace(FINDING, is_person=True),
        replace(FINDING, host=""),
        replace(FINDING, subject="x"),
        replace(FINDING, slot=TIME),
    ]
    assert len({each.id for each in (FINDING, *others)}) == 7


def test_metrics_have_each_enabled_rule_and_no_name_of_a_log() -> None:
    text = render_metrics(Environment.DEV, built_in(), [FINDING, FINDING], TIME, NOW).decode()
    families = {each.name: each.samples for each in text_string_to_metric_families(text)}
    assert list(families) == [
        "strongroom_audit_anomalies",
        "strongroom_audit_anomalies_checked_timestamp_seconds",
        "strongroom_audit_last_request_timestamp_seconds",
    ]
    counts, checked, last = families.values()
    enabled = [name for name in NAMES if rule_of(built_in(), name).enabled]
    assert [each.labels["rule"] for each in counts] == enabled
    assert {each.labels["rule"]: each.value for each in counts if each.value} == {"burst": 2}
    assert {tuple(each.labels) for each in counts} == {("environment", "rule", "severity")}
    assert checked[0].value - last[0].value == 1800
    assert "[2J" not in text


def test_metrics_of_an_empty_log_have_no_time_of_a_request() -> None:
    text = render_metrics(Environment.DEV, built_in(), [], None, NOW).decode()
    assert "\nstrongroom_audit_last_request_timestamp_seconds{" not in text


def test_document_is_json_with_all_that_a_finding_has() -> None:
    found = findings_document(Environment.DEV, built_in(), [FINDING], SPAN, TIME, [])
    document = json.loads(json.dumps(found))
    (finding,) = document["findings"]
    assert (finding["id"], finding["actor"]) == (FINDING.id, FINDING.actor)
    assert finding["evidence"][0]["time"] == "2026-05-01T12:30:00.000000Z"
    assert list(document["rules"]) == list(NAMES)
    assert document["learning"] == []


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, ["first_time", "new_address", "burst"]), (2, ["first_time", "new_address"]), (14, [])],
)
def test_rules_are_learning_while_the_log_is_short(days: int, expected: list[str]) -> None:
    assert find_learning(built_in(), Span(TIME - timedelta(days=days), TIME, 1)) == expected


def test_no_rule_learns_from_an_empty_log() -> None:
    assert find_learning(built_in(), Span(None, None, 0)) == []


@pytest.mark.parametrize(
    ("rule", "current", "expected"),
    [
        ("burst", 4, [2, 4, 8]),
        ("burst", 2, [2, 4]),
        ("denied_spike", 1, [1, 2]),
        ("enumeration", 10, [5, 10, 20]),
        ("root_token", None, (None,)),
    ],
)
def test_backtest_tries_half_and_double(
    rule: str, current: int | None, expected: list[int]
) -> None:
    assert _values(rule, current) == expected


@pytest.mark.parametrize("rule", THRESHOLDS)
def test_threshold_of_a_trial_replaces_that_of_its_rule_only(rule: str) -> None:
    (name,) = (each for each in NAMES if each == rule)
    changed = with_threshold(built_in(), name, THRESHOLDS[name], 77)
    assert getattr(rule_of(changed, name), THRESHOLDS[name]) == 77
    others = [each for each in NAMES if each != name]
    assert [rule_of(changed, each) for each in others] == [
        rule_of(built_in(), each) for each in others
    ]
