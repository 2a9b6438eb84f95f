"""View of what is unusual: thresholds, evidence, the requests, and an entry that ignores it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from console.page.sources.audit_summary import AuditSummary
from console.page.views.anomalies import (
    PAGE,
    AnomaliesFilter,
    build_anomalies,
    build_bars,
    build_ignore_entry,
    find_notes,
)
from console.views.cells import Link
from tests.support.table_cells import column
from vault.audit.anomalies.finding import Evidence, Finding
from vault.audit.anomalies.rules_reader import built_in, read_rules
from vault.declare.schema.anomalies import Ignored

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
AT = datetime(2026, 5, 1, 11, 30, 5, 250_000)  # noqa: DTZ001 (as the log has it)
JWT = "secret/data/shop/dev/jwt"
SEEN = Evidence(AT, "1", "read", JWT, "10.0.0.1")


def finding(rule: str = "denied_spike", severity: str = "medium", subject: str = "") -> Finding:
    who = ("shop-dev", False, "web-1")
    return Finding(rule, severity, *who, subject, AT, AT, AT, 12, None, (SEEN,))


def summary(*findings: Finding) -> AuditSummary:
    span = (NOW - timedelta(hours=3), NOW)
    return AuditSummary(findings, {}, *span, built_in(), NOW - timedelta(days=1))


ALL = summary(
    finding("first_time", "low", JWT),
    finding("root_token", "high"),
    finding("denied_spike"),
    replace(finding("denied_spike"), last=AT + timedelta(minutes=1)),
)


def test_findings_are_grouped_by_rule_the_most_severe_and_latest_first() -> None:
    _, groups = build_anomalies(ALL, AnomaliesFilter(), "dev", NOW)
    assert [(each.name, each.badge.tone, len(each.cards)) for each in groups] == [
        ("root_token", "bad", 1),
        ("denied_spike", "warn", 2),
        ("first_time", "plain", 1),
    ]
    spike = groups[1]
    assert spike.cards[0].of.last > spike.cards[1].of.last
    assert spike.threshold == "count: 10, within: 10m"
    assert (spike.rule.meaning, spike.rule.action) != ("", "")
    seen = ("2026-05-01 11:30:05Z", "read", JWT, "10.0.0.1", "1")
    assert spike.cards[0].evidence.rows == [seen]


def test_filter_by_rule_keeps_the_bars_of_the_others() -> None:
    _, groups = build_anomalies(ALL, AnomaliesFilter("first_time"), "dev", NOW)
    assert [each.name for each in groups] == ["first_time"]
    bars = build_bars(ALL, AnomaliesFilter("first_time"), "dev")
    counts = dict(zip(column(bars, "rule"), column(bars, "findings"), strict=True))
    assert counts == {
        Link("first_time", "/anomalies?env=dev", is_current=True): 1,
        Link("denied_spike", "/anomalies?env=dev&rule=denied_spike"): 2,
        Link("root_token", "/anomalies?env=dev&rule=root_token"): 1,
    }
    pages, none = build_anomalies(ALL, AnomaliesFilter("burst", "high"), "dev", NOW)
    assert (pages.total, none, pages.first) == (0, [], 0)


@pytest.mark.parametrize(
    ("of", "extra"),
    [
        (finding(), {}),
        (finding("first_time", "low", JWT), {"secret": JWT}),
        (finding("new_address", "medium", "10.0.0.9"), {"address": "10.0.0.9"}),
    ],
)
def test_link_shows_the_requests_of_the_finding(of: Finding, extra: dict[str, str]) -> None:
    _, (group,) = build_anomalies(summary(of), AnomaliesFilter(), "dev", NOW)
    assert dict(parse_qsl(urlsplit(group.cards[0].reads).query)) == {
        "env": "dev",
        "what": "all",
        "actor": "shop-dev",
        "since": "2026-05-01T11:30:05Z",
        "until": "2026-05-01T11:30:06Z",
        **extra,
    }


def test_pages_are_counted_and_the_last_one_is_the_last() -> None:
    many = summary(*(replace(finding(), host=str(each)) for each in range(PAGE + 1)))
    pages, _ = build_anomalies(many, AnomaliesFilter(page=9), "dev", NOW)
    assert (pages.number, pages.count, pages.total, pages.first) == (2, 2, PAGE + 1, PAGE + 1)


def test_quiet_log_says_what_was_looked_at_and_what_was_not() -> None:
    rules = built_in()
    ended = Ignored(rule="burst", actor="a", reason="load test", until="2026-04-30")
    changed = rules.model_copy(update={"ignore": (ended,)})
    quiet = replace(summary(), rules=changed, damaged=2)
    assert tuple(find_notes(quiet, NOW)) == (
        (
            "Looked for since 2026-04-30 12:00Z. The log reaches from 2026-05-01 09:00Z to "
            "2026-05-01 12:00Z; what is older is history."
        ),
        "No rule sees 2 damaged lines of the log; `strongroom audit report` names the files.",
        "Off: out_of_hours.",
        "The log is too short, so that they find nothing yet: first_time, new_address, burst.",
        "No longer ignored: burst of a, until 2026-04-30: load test",
    )


@pytest.mark.parametrize(
    ("actor", "pattern"),
    [
        ("shop-dev", "shop-dev"),
        ("\x1b\"'#: {x}", "*\"'#: {x}"),
        ("a\u200b\u00a0", "a\u200b\u00a0"),
        ("a\u200b\ud800\U000e0001", "a\u200b**"),
        ("a" * 300, "a" * 199 + "*"),
    ],
)
def test_ignore_entry_is_accepted_as_rules(tmp_path: Path, actor: str, pattern: str) -> None:
    path = tmp_path / "anomalies.yaml"
    path.write_text(build_ignore_entry(replace(finding(), actor=actor), NOW), encoding="utf-8")
    (entry,) = read_rules(path).ignore
    expected = ("denied_spike", pattern, JWT, "2026-05-31")
    assert (entry.rule, entry.actor, entry.path, entry.until) == expected


def test_ignore_entry_of_several_paths_is_for_all() -> None:
    other = replace(SEEN, path="sys/mounts")
    entry = build_ignore_entry(replace(finding(), evidence=(SEEN, other)), NOW)
    assert '    path: "*"' in entry
