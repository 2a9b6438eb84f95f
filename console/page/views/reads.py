"""View of who read what: over time, by actor and by value, with all filters in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from console.audit.cells import shorten
from console.audit.charts import HEIGHT, STEPS, Bar, Timeline, build_request_chart
from console.audit.report_view import coverage_lines
from console.page.page_request import Link, PageRequest
from console.page.sources.audit_activity import Activity
from console.page.sources.sources import EnvironmentSources
from console.page.urls import value_url
from console.page.views.badge import BAD, GOOD, PLAIN, WARN
from console.page.views.paging import SIZE, Page, place_page
from console.page.views.reads_filter import ALL, CATEGORIES, OUTCOMES, ReadsFilter, read_filter
from console.store_options import DEFAULT_SINCE
from vault.audit.report.access import find_accesses, find_most
from vault.audit.report.activity import Answer, Slice
from vault.audit.report.activity_filter import NO_SERVICE
from vault.audit.report.timeline import find_timeline
from vault.rotation.inventory import declared_items

#: Least columns of a chart over time, because a single one says nothing.
LEAST: Final = 24
#: Bars of a chart.
_BARS: Final = 8
#: Periods to choose from.
_PERIODS: Final = (
    ("1d", "24 hours"),
    ("7d", "7 days"),
    (DEFAULT_SINCE, "30 days"),
    ("90d", "90 days"),
)
#: Outcome → colour of its badge.
_TONES: Final = {"ok": GOOD, "denied": BAD, "failed": WARN, "absent": PLAIN}


@dataclass(frozen=True, slots=True)
class Found:
    """What the store answers.

    Attributes:
        timeline: Step and rows of the timeline.
        actors: The actors with most requests.
        paths: The paths with most requests.
        accesses: The rows of the page.
        coverage: Sentences about what the logs cover.

    """

    timeline: Mapping[str, Any]
    actors: Answer
    paths: Answer
    accesses: Answer
    coverage: Sequence[str]


@dataclass(frozen=True, slots=True)
class AccessRow:
    """Requests of one actor, from one place, for one thing, with one outcome.

    Attributes:
        what: The declared name with its service, else the path.
        use: Such as ``read`` or ``decrypt``.
        tone: Colour of the outcome.
        versions: The versions that were read, as text.

    """

    what: Link
    actor: Link
    address: Link | None
    host: str
    use: str
    outcome: str
    tone: str
    versions: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Reads:
    """What the view shows.

    Attributes:
        filter: What was asked for.
        chart: Requests over time, None if there is none.
        slots: Label of a column → address of only that time.
        actors: Bars of the actors with most requests.
        values: Bars of what was asked for most.
        page: The page, and links to the others.
        requests: Number of requests on all pages.
        periods: Periods to choose from.
        coverage: Sentences about what the logs cover.

    """

    filter: ReadsFilter
    chart: Timeline | None
    slots: Mapping[str, str]
    actors: tuple[Bar, ...]
    values: tuple[Bar, ...]
    page: Page[AccessRow]
    requests: int
    periods: tuple[Link, ...]
    coverage: Sequence[str]


def build_reads(found: Found, asked: ReadsFilter, environment: str) -> Reads:
    """Return what the view shows.

    Args:
        found: What the store answers.
        asked: What the address asks for. A page after the last one is the last one.
        environment: Name of the environment.

    """
    rows = [_row(each, asked, environment) for each in found.accesses.rows]
    total = len(rows) + found.accesses.left_out
    chart = build_request_chart(found.timeline, LEAST) if found.timeline["rows"] else None
    return Reads(
        asked,
        chart,
        {} if chart is None else _slots(chart, found.timeline["step"], asked, environment),
        _bars(found.actors, "actor", asked, environment),
        _bars(found.paths, "secret", asked, environment),
        place_page(rows, total, asked.page, lambda number: asked.url(environment, page=number)),
        sum(sum(row[name] for name in OUTCOMES) for row in found.timeline["rows"]),
        tuple(
            Link(label, asked.url(environment, since=since, until=""), _is_period(asked, since))
            for since, label in _PERIODS
        ),
        found.coverage,
    )


def show_reads(request: PageRequest) -> Response:
    """Return the view that the address asks for."""
    environment, asked = request.environment(), read_filter(request)
    source = environment.activity(asked.since, asked.until)
    request.use(source, environment.declaration)
    activity = source.get().value
    found = None if activity is None else find_reads(activity, asked)
    return request.render(
        "reads.html.j2",
        "Reads" if asked.what == "read" else "Requests",
        environment=environment,
        asked=asked,
        reads=None if found is None else build_reads(found, asked, environment.name),
        services=(*_services(environment), NO_SERVICE),
        value=_find_value(environment, asked),
        categories={**CATEGORIES, ALL: "all requests"},
        outcomes=OUTCOMES,
        height=HEIGHT,
    )


def find_reads(activity: Activity, asked: ReadsFilter) -> Found:
    """Return what the activity of the period says."""
    only = asked.activity
    return Found(
        activity.ask(lambda connection: find_timeline(connection, only)),
        activity.ask(lambda connection: find_most(connection, only, "actor", _BARS)),
        activity.ask(lambda connection: find_most(connection, only, "path", _BARS)),
        activity.ask(lambda connection: find_accesses(connection, only, Slice(asked.page, SIZE))),
        coverage_lines(activity.coverage),
    )


def _find_value(environment: EnvironmentSources, asked: ReadsFilter) -> Link | None:
    """Return the page of the one value that is filtered by, None if it is no value."""
    declaration = environment.declaration.get().value
    service = asked.secret.partition("/")[0]
    if declaration is None or service not in _services(environment):
        return None
    found = declared_items(declaration, environment.environment, service)
    return next(
        (
            Link(asked.secret, value_url(item, environment.name))
            for item in found
            if f"{service}/{item.name}" == asked.secret
        ),
        None,
    )


def _services(environment: EnvironmentSources) -> tuple[str, ...]:
    declaration = environment.declaration.get().value
    scopes = () if declaration is None else declaration.scopes(environment.environment)
    return tuple(sorted(scope.service for scope in scopes))


def _slots(chart: Timeline, step: str, asked: ReadsFilter, environment: str) -> dict[str, str]:
    """Return the address of the time of each column."""
    found = {}
    for label, _ in chart.rows:
        begin = datetime.fromisoformat(label)
        since, until = (f"{each:%Y-%m-%dT%H:%M}Z" for each in (begin, begin + STEPS[step]))
        found[label] = asked.url(environment, since=since, until=until)
    return found


def _is_period(asked: ReadsFilter, since: str) -> bool:
    return asked.since == since and not asked.until


def _bars(answer: Answer, part: str, asked: ReadsFilter, environment: str) -> tuple[Bar, ...]:
    """Return bars, each with the address that filters by *part*, or no longer if it does."""
    top = max((row["count"] for row in answer.rows), default=1)
    found = []
    for row in answer.rows:
        name = row["actor"] if part == "actor" else _name(row)
        is_current = getattr(asked, part) == name
        href = asked.url(environment, **{part: "" if is_current else name})
        found.append(Bar(name, row["count"], 100 * row["count"] / top, href, is_current))
    return tuple(found)


def _row(row: Mapping[str, Any], asked: ReadsFilter, environment: str) -> AccessRow:
    what, address = _name(row), row["address"]
    is_read = row["operation"] in {"data", "static-creds", "creds"} and row["category"] == "read"
    return AccessRow(
        what=Link(what, asked.url(environment, secret=what)),
        actor=Link(row["actor"], asked.url(environment, actor=row["actor"])),
        address=Link(address, asked.url(environment, address=address)) if address else None,
        host=row["host"] or "",
        use="read" if is_read else row["operation"] or row["category"],
        outcome=row["outcome"],
        tone=_TONES.get(row["outcome"], PLAIN),
        versions=shorten(row["versions"]),
        count=row["count"],
        first=datetime.fromisoformat(row["first"]),
        last=datetime.fromisoformat(row["last"]),
    )


def _name(row: Mapping[str, Any]) -> str:
    """Return the declared name with its service, else the path, by which a filter finds it."""
    return str(row["path"] if row["name"] is None else f"{row['service']}/{row['name']}")
