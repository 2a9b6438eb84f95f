"""View of who read what: over time, by actor and by value, with all filters in the address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from console.options import DEFAULT_SINCE
from console.page.page_request import PageRequest
from console.page.sources.audit_activity import Activity
from console.page.sources.sources import EnvironmentSources
from console.page.urls import value_url
from console.page.views.reads_filter import ALL, CATEGORIES, OUTCOMES, ReadsFilter, read_filter
from console.views.cells import BAD, GOOD, PLAIN, WARN, Badge, Cell, Link, shorten
from console.views.charts import HEIGHT, STEPS, Timeline, build_request_chart
from console.views.report import coverage_lines
from console.views.table import SIZE, Pages, Table, bar_table, columns
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
#: Part of the filter → title and heading of its bars.
_PARTS: Final = {
    "actor": ("Requests by actor", "actor"),
    "secret": ("Requests by what was asked for", "what"),
}
_COLUMNS: Final = columns(
    "name What, name Actor, time Last, text Use, state Outcome, number Versions, number Requests, "
    "text Host, address Address, time First"
)
#: Outcome → colour of its badge.
_TONES: Final = {"ok": GOOD, "denied": BAD, "failed": WARN, "absent": PLAIN}


def build_accesses(found: Answer, asked: ReadsFilter, environment: str, requests: int = 0) -> Table:
    """Return a page of who requested what, each row with the links that narrow the view."""
    rows = [_row(each, asked, environment) for each in found.rows]
    pages = Pages(
        asked.page,
        len(rows) + found.left_out,
        lambda number: asked.url(environment, page=number),
        note=f"{requests:,} requests",
    )
    return Table("Requests by actor and value", _COLUMNS, rows, "accesses", pages)


def build_bars(answer: Answer, part: str, asked: ReadsFilter, environment: str) -> Table:
    """Return bars, each with the address that filters by *part*, or no longer if it does."""
    title, heading = _PARTS[part]
    bars = []
    for row in answer.rows:
        name = row["actor"] if part == "actor" else _name(row)
        is_current = getattr(asked, part) == name
        href = asked.url(environment, **{part: "" if is_current else name})
        bars.append((Link(name, href, is_current), row["count"], "read"))
    return bar_table(title, f"name {heading}, bar share, number requests", bars)


def find_slots(chart: Timeline, step: str, asked: ReadsFilter, environment: str) -> dict[str, str]:
    """Return the address of the time of each column."""
    found = {}
    for label, _ in chart.rows:
        begin = datetime.fromisoformat(label)
        since, until = (f"{each:%Y-%m-%dT%H:%M}Z" for each in (begin, begin + STEPS[step]))
        found[label] = asked.url(environment, since=since, until=until)
    return found


def show_reads(request: PageRequest) -> Response:
    """Return the view that the address asks for."""
    environment, asked = request.environment(), read_filter(request)
    source = environment.activity(asked.since, asked.until)
    request.use(source, environment.declaration)
    activity, name = source.get().value, environment.name
    return request.render(
        "reads.html.j2",
        "Reads" if asked.what == "read" else "Requests",
        environment=environment,
        asked=asked,
        reads=None if activity is None else _read(activity, asked, name),
        periods=[
            Link(label, asked.url(name, since=since, until=""), _is_period(asked, since))
            for since, label in _PERIODS
        ],
        services=(*_services(environment), NO_SERVICE),
        value=_find_value(environment, asked),
        categories={**CATEGORIES, ALL: "all requests"},
        outcomes=OUTCOMES,
        height=HEIGHT,
    )


def _read(activity: Activity, asked: ReadsFilter, environment: str) -> dict[str, Any]:
    """Return what the activity of the period says."""
    only, place = asked.activity, (asked, environment)
    timeline = activity.ask(lambda connection: find_timeline(connection, only))
    actors = activity.ask(lambda connection: find_most(connection, only, "actor", _BARS))
    paths = activity.ask(lambda connection: find_most(connection, only, "path", _BARS))
    part = Slice(asked.page, SIZE)
    accesses = activity.ask(lambda connection: find_accesses(connection, only, part))
    rows, step = timeline["rows"], timeline["step"]
    chart = build_request_chart(timeline, LEAST) if rows else None
    requests = sum(sum(row[name] for name in OUTCOMES) for row in rows)
    return {
        "chart": chart,
        "slots": {} if chart is None else find_slots(chart, step, *place),
        "actors": build_bars(actors, "actor", *place),
        "paths": build_bars(paths, "secret", *place),
        "accesses": build_accesses(accesses, *place, requests),
        "coverage": coverage_lines(activity.coverage),
    }


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


def _is_period(asked: ReadsFilter, since: str) -> bool:
    return asked.since == since and not asked.until


def _row(row: Mapping[str, Any], asked: ReadsFilter, environment: str) -> tuple[Cell, ...]:
    what, address, outcome = _name(row), row["address"], row["outcome"]
    is_read = row["operation"] in {"data", "static-creds", "creds"} and row["category"] == "read"
    return (
        Link(what, asked.url(environment, secret=what)),
        Link(row["actor"], asked.url(environment, actor=row["actor"])),
        datetime.fromisoformat(row["last"]),
        "read" if is_read else row["operation"] or row["category"],
        Badge(outcome, _TONES.get(outcome, PLAIN)),
        shorten(row["versions"]),
        row["count"],
        row["host"],
        Link(address, asked.url(environment, address=address)) if address else None,
        datetime.fromisoformat(row["first"]),
    )


def _name(row: Mapping[str, Any]) -> str:
    """Return the text that a filter finds: the declared name with its service, else the path."""
    return str(row["path"] if row["name"] is None else f"{row['service']}/{row['name']}")
