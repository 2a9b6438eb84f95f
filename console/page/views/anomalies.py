"""View of what is unusual in the log: evidence, thresholds, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.sources.audit_summary import AuditSummary
from console.page.urls import Filter
from console.page.views.reads_filter import ALL, ReadsFilter
from console.views.anomalies import damage_lines, find_about
from console.views.cells import BAD, PLAIN, WARN, Badge, Link
from console.views.table import Pages, Table, bar_table, columns
from console.views.times import show_date
from vault.audit.anomalies.detection import find_learning
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules_reader import NAMES, rule_of
from vault.declare import durations
from vault.declare.edit.yaml_text import quote
from vault.declare.schema.anomalies import AnomalyRules, Rule, is_active

#: Findings of a page.
PAGE: Final = 30
SEVERITIES: Final = ("high", "medium", "low")
_TONES: Final = {"high": BAD, "medium": WARN, "low": PLAIN}
#: Time after which an entry ends, so that it is looked at again.
_DAYS: Final = timedelta(days=30)
_MOST: Final = 200
#: Control characters, and those that YAML has no escape for in the style of JSON.
_NOT_YAML: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]")
_EVIDENCE: Final = columns("time Time, text Operation, path Path, address Address, text Request")
#: Keys of a rule that are no threshold.
_NO_THRESHOLD: Final = frozenset({"enabled", "severity", "meaning", "action", "skip"})
#: Keys of a rule that are a time in seconds.
_TIMES: Final = frozenset({"learning", "baseline", "within"})
#: Rules whose subject is an address.
_OF_ADDRESSES: Final = frozenset({"new_address"})


@dataclass(frozen=True, slots=True)
class AnomaliesFilter(Filter):
    """What the address asks for; each part is empty if it does not matter."""

    path: ClassVar[str] = "/anomalies"
    rule: str = ""
    severity: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class FindingCard:
    """A finding."""

    of: Finding
    first: datetime
    about: str
    evidence: Table
    reads: str
    ignore: str


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The findings of one rule on this page, and its thresholds as text."""

    name: str
    rule: Rule
    badge: Badge
    threshold: str
    cards: tuple[FindingCard, ...]


def build_anomalies(
    summary: AuditSummary, asked: AnomaliesFilter, environment: str, now: datetime
) -> tuple[Pages, list[RuleGroup]]:
    """Return the findings of the page, by rule."""
    fits = (each for each in summary.findings if asked.severity in {"", each.severity})
    shown = sorted((each for each in fits if asked.rule in {"", each.rule}), key=_order)
    pages = Pages(asked.page, len(shown), lambda number: asked.url(environment, page=number), PAGE)
    return pages, list(_groups(pages.cut(shown), summary.rules, environment, now))


def build_bars(summary: AuditSummary, asked: AnomaliesFilter, environment: str) -> Table:
    """Return the number of findings of each rule, before the filter by rule."""
    found = summary.findings
    counts = Counter(each.rule for each in found if asked.severity in {"", each.severity})
    bars = []
    for name in NAMES:
        is_current = asked.rule == name
        if counts[name] or is_current:
            href = asked.url(environment, rule="" if is_current else name)
            bars.append((Link(name, href, is_current), counts[name], "read"))
    return bar_table("Findings by rule", "name rule, bar share, number findings", bars)


def build_ignore_entry(finding: Finding, now: datetime) -> str:
    """Return the entry, in YAML, with which *finding* is not found again."""
    paths = {each.path for each in finding.evidence if each.path}
    path = paths.pop() if len(paths) == 1 else "*"
    lines = (
        "ignore:",
        f"  - rule: {finding.rule}",
        f"    actor: {_pattern(finding.actor)}",
        f"    path: {_pattern(path)}",
        '    reason: "why it is harmless"',
        f'    until: "{now + _DAYS:%Y-%m-%d}"',
    )
    return "\n".join(lines)


def show_anomalies(request: PageRequest) -> Response:
    """Return the view that the address asks for."""
    environment = request.environment()
    asked = AnomaliesFilter(
        request.choice("rule", NAMES),
        request.choice("severity", SEVERITIES),
        request.number("page"),
    )
    request.use(environment.audit)
    summary, name = environment.audit.get().value, environment.name
    anomalies = summary and {
        "is_quiet": not summary.findings,
        "found": build_anomalies(summary, asked, name, request.now),
        "bars": build_bars(summary, asked, name),
        "notes": list(find_notes(summary, request.now)),
    }
    return request.render(
        "anomalies.html.j2",
        "Anomalies",
        environment=environment,
        asked=asked,
        anomalies=anomalies,
        rules=NAMES,
        severities=SEVERITIES,
        command=environment.commands.show_anomalies(),
    )


def _order(finding: Finding) -> tuple[int, int, float]:
    rank = SEVERITIES.index(finding.severity), NAMES.index(finding.rule)
    return (*rank, -_aware(finding.last).timestamp())


def _aware(time: datetime) -> datetime:
    """Return a time of the log, which is in UTC without a zone, with its zone."""
    return time.replace(tzinfo=UTC)


def _groups(
    findings: Sequence[Finding], rules: AnomalyRules, environment: str, now: datetime
) -> Iterable[RuleGroup]:
    for name in dict.fromkeys(each.rule for each in findings):
        rule = rule_of(rules, name)  # type: ignore[arg-type]
        found = [each for each in findings if each.rule == name]
        cards = tuple(_card(each, environment, now) for each in found)
        badge = Badge(rule.severity, _TONES[rule.severity])
        yield RuleGroup(name, rule, badge, _describe_threshold(rule), cards)


def _describe_threshold(rule: Rule) -> str:
    """Return the thresholds of a rule, such as ``count: 10, within: 10m``."""
    parts = []
    for key, value in rule.model_dump(exclude=set(_NO_THRESHOLD)).items():
        if key in _TIMES:
            parts.append(f"{key}: {durations.render(value)}")
        elif isinstance(value, (tuple, list)):
            parts.append(f"{key}: {', '.join(map(str, value)) or 'none'}")
        else:
            parts.append(f"{key}: {value}")
    return ", ".join(parts)


def _card(finding: Finding, environment: str, now: datetime) -> FindingCard:
    return FindingCard(
        finding,
        _aware(finding.first),
        find_about(finding),
        _evidence(finding),
        _reads_url(finding, environment),
        build_ignore_entry(finding, now),
    )


def _evidence(finding: Finding) -> Table:
    rows = [
        (
            f"{each.time:%Y-%m-%d %H:%M:%S}Z",
            *(each.operation, each.path, each.address or "(socket)", each.request_id),
        )
        for each in finding.evidence
    ]
    return Table(f"Evidence of {finding.id}", _EVIDENCE, rows)


def _reads_url(finding: Finding, environment: str) -> str:
    """Return the address of the requests that a finding is of."""
    first, last = finding.first, finding.last + timedelta(seconds=1)
    is_address = finding.rule in _OF_ADDRESSES
    return ReadsFilter(
        f"{first:%Y-%m-%dT%H:%M:%S}Z",
        f"{last:%Y-%m-%dT%H:%M:%S}Z",
        ALL,
        actor=finding.actor,
        address=finding.subject if is_address else "",
        secret=finding.subject if "/" in finding.subject and not is_address else "",
    ).url(environment)


def find_notes(summary: AuditSummary, now: datetime) -> Iterable[str]:
    """Yield sentences about what was looked at, and what was not."""
    rules, first, last = summary.rules, summary.first, summary.last
    if first is not None and last is not None:
        yield (
            f"Looked for since {show_date(summary.since)}. The log reaches from "
            f"{show_date(first)} to {show_date(last)}; what is older is history."
        )
    yield from damage_lines(summary.damaged)
    if off := [name for name in NAMES if not rule_of(rules, name).enabled]:
        yield f"Off: {', '.join(off)}."
    if learning := find_learning(rules, Span(first, last, 0)):
        yield f"The log is too short, so that they find nothing yet: {', '.join(learning)}."
    for each in rules.ignore:
        if not is_active(each, now.date()):
            ended = f"{each.rule} of {each.actor}, until {each.until}: {each.reason}"
            yield f"No longer ignored: {ended}"


def _pattern(text: str) -> str:
    """Return *text* as a pattern in YAML, with ``*`` for what YAML cannot have."""
    pattern = _NOT_YAML.sub("*", text)
    if len(pattern) > _MOST:
        pattern = f"{pattern[: _MOST - 1]}*"
    return quote(pattern)
