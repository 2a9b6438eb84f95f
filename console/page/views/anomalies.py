"""View of what is unusual in the log: evidence, thresholds, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from console.audit.anomaly_view import damage_lines
from console.audit.charts import Bar
from console.page.page_request import PageRequest
from console.page.sources.audit_summary import AuditSummary
from console.page.times import show_date
from console.page.urls import build_url
from console.page.views.badge import BAD, PLAIN, WARN
from console.page.views.ignore_entry import build_ignore_entry
from console.page.views.paging import Page, build_page
from console.page.views.reads_filter import ALL, ReadsFilter
from vault.audit.anomalies.detection import find_learning
from vault.audit.anomalies.finding import Evidence, Finding
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules import NAMES, rule_of
from vault.declare import durations
from vault.declare.schema.anomalies import AnomalyRules, Rule, is_active

#: Findings of a page.
PAGE: Final = 30
SEVERITIES: Final = ("high", "medium", "low")
_TONES: Final = {"high": BAD, "medium": WARN, "low": PLAIN}
#: Keys of a rule that are no threshold.
_NO_THRESHOLD: Final = frozenset({"enabled", "severity", "meaning", "action", "skip"})
#: Keys of a rule that are a time in seconds.
_TIMES: Final = frozenset({"learning", "baseline", "within"})
#: Rules whose subject is an address.
_OF_ADDRESSES: Final = frozenset({"new_address"})


@dataclass(frozen=True, slots=True)
class AnomaliesFilter:
    """What the address asks for; each part is empty if it does not matter.

    Attributes:
        rule: Name of a rule.
        severity: ``high``, ``medium`` or ``low``.
        page: Number of the page.

    """

    rule: str = ""
    severity: str = ""
    page: int = 1

    def url(self, environment: str, **changes: Any) -> str:
        """Return the address of the view with *changes*, on its first page by default."""
        new = replace(self, **{"page": 1, **changes})
        return build_url(
            "/anomalies",
            env=environment,
            rule=new.rule,
            severity=new.severity,
            page=new.page if new.page > 1 else None,
        )


@dataclass(frozen=True, slots=True)
class FindingCard:
    """A finding.

    Attributes:
        about: The path, address or wrapping token that it is about, empty if it has no name.
        usual: Number that the actor usually has, empty if the rule does not compare.
        evidence: The earliest requests.
        reads: Address of the requests in the view of reads.
        ignore: Entry of the rules file with which it is not found again.

    """

    id: str
    actor: str
    is_person: bool
    host: str
    about: str
    first: datetime
    last: datetime
    count: int
    usual: str
    evidence: tuple[Evidence, ...]
    reads: str
    ignore: str


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The findings of one rule on this page.

    Attributes:
        meaning: What a finding means.
        action: What to do.
        threshold: The thresholds, as text.

    """

    name: str
    severity: str
    tone: str
    meaning: str
    action: str
    threshold: str
    cards: tuple[FindingCard, ...]


@dataclass(frozen=True, slots=True)
class Anomalies:
    """What the view shows.

    Attributes:
        filter: What was asked for.
        groups: The findings of the page, by rule.
        page: The page, and links to the others.
        bars: Number of findings of each rule, before the filter by rule.
        is_quiet: Whether there is no finding at all.
        notes: Sentences about what was looked at, and what was not.

    """

    filter: AnomaliesFilter
    groups: tuple[RuleGroup, ...]
    page: Page[Finding]
    bars: tuple[Bar, ...]
    is_quiet: bool
    notes: tuple[str, ...]


def build_anomalies(
    summary: AuditSummary, asked: AnomaliesFilter, environment: str, now: datetime
) -> Anomalies:
    """Return what the view shows.

    Args:
        summary: What was found.
        asked: What the address asks for. A page after the last one is the last one.
        environment: Name of the environment.
        now: The current time.

    """
    severe = [each for each in summary.findings if asked.severity in {"", each.severity}]
    shown = sorted((each for each in severe if asked.rule in {"", each.rule}), key=_order)
    page = build_page(shown, asked.page, lambda number: asked.url(environment, page=number), PAGE)
    return Anomalies(
        asked,
        tuple(_groups(page.rows, summary.rules, environment, now)),
        page,
        _bars(severe, asked, environment),
        not summary.findings,
        tuple(_notes(summary, now)),
    )


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
    built = None if summary is None else build_anomalies(summary, asked, name, request.now)
    return request.render(
        "anomalies.html.j2",
        "Anomalies",
        environment=environment,
        anomalies=built,
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
        yield RuleGroup(
            name,
            rule.severity,
            _TONES[rule.severity],
            rule.meaning,
            rule.action,
            _describe_threshold(rule),
            tuple(_card(each, environment, now) for each in found),
        )


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
        finding.id,
        finding.actor,
        finding.is_person,
        finding.host or "",
        finding.subject or (finding.evidence[-1].path if finding.evidence else "") or "",
        _aware(finding.first),
        _aware(finding.last),
        finding.count,
        "" if finding.usual is None else f"{finding.usual:g}",
        tuple(replace(each, time=_aware(each.time)) for each in finding.evidence),
        _reads_url(finding, environment),
        build_ignore_entry(finding, now),
    )


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


def _bars(findings: Iterable[Finding], asked: AnomaliesFilter, environment: str) -> tuple[Bar, ...]:
    counts = Counter(each.rule for each in findings)
    top = max(counts.values(), default=1)
    return tuple(
        Bar(
            name,
            counts[name],
            100 * counts[name] / top,
            asked.url(environment, rule="" if asked.rule == name else name),
            asked.rule == name,
        )
        for name in NAMES
        if counts[name] or asked.rule == name
    )


def _notes(summary: AuditSummary, now: datetime) -> Iterable[str]:
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
