"""View of two environments: what one has and the other lacks or has otherwise. Never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.sources.sources import EnvironmentSources
from console.page.urls import JOBS, Filter, build_url
from console.page.views.differences import ABSENT, Area, Entry, Side, Verdict, compare
from console.views.cells import GOOD, PLAIN, WARN, Badge, Cell, Link, Note, stack
from console.views.table import Pages, Table, columns

_ALL: Final = "all"
#: Verdict → series of its bars. Those of equal entries have none, because they would hide the rest.
_SERIES: Final = {
    Verdict.LEFT: "series-0",
    Verdict.RIGHT: "series-1",
    Verdict.DIFFERENT: "series-3",
}
_TONES: Final = {Verdict.EQUAL: GOOD, Verdict.DIFFERENT: WARN}


@dataclass(frozen=True, slots=True)
class CompareFilter(Filter):
    """What the address asks for; each part is empty if it does not matter.

    ``-`` as *service* stands for the jobs; an empty *verdict* for what differs, and ``all`` for
    each.
    """

    path: ClassVar[str] = "/compare"
    left: str
    right: str
    area: str = ""
    service: str = ""
    verdict: str = ""
    text: str = ""
    page: int = 1


def build_areas(entries: Iterable[Entry], asked: CompareFilter) -> Table:
    """Return the numbers of each area, before the filters."""
    counts = Counter((each.area, each.verdict) for each in entries)
    totals = Counter({area: sum(counts[area, each] for each in _SERIES) for area in Area})
    top = max(totals.values())
    rows: list[tuple[Cell, ...]] = []
    for area in Area:
        if not (totals[area] or counts[area, Verdict.EQUAL]):
            continue
        is_current = asked.area == area
        href = asked.url(area="" if is_current else area.value, verdict="")
        bars = stack(((series, counts[area, each]) for each, series in _SERIES.items()), top)
        numbers = (_count(area, each, counts[area, each], asked) for each in _SERIES)
        link = Link(area.value, href, is_current)
        rows.append((link, bars, *numbers, counts[area, Verdict.EQUAL]))
    names = ", ".join(f"number {text}" for text in name_verdicts(asked).values())
    headings = columns(f"state Area, bar Share, {names}")
    return Table("Number of differences", headings, rows, "shares")


def build_entries(entries: Iterable[Entry], asked: CompareFilter) -> Table:
    """Return the page of entries that the address asks for."""
    shown = [each for each in entries if _fits(each, each.verdict, asked)]
    pages = Pages(asked.page, len(shown), lambda number: asked.url(page=number))
    headings = columns(
        f"name Name, state Result, side {asked.left}, side {asked.right}, state Service, state Area"
    )
    names = name_verdicts(asked)
    rows = [_row(each, names) for each in pages.cut(shown)]
    return Table("Entries", headings, rows, "entries", pages)


def name_verdicts(asked: CompareFilter) -> dict[Verdict, str]:
    """Return the name of each result, with those of the environments."""
    return {
        Verdict.LEFT: f"only in {asked.left}",
        Verdict.RIGHT: f"only in {asked.right}",
        Verdict.DIFFERENT: "different",
        Verdict.EQUAL: "equal",
    }


def _read_filter(request: PageRequest, left: str, right: str) -> CompareFilter:
    return CompareFilter(
        left,
        right,
        request.choice("area", list(Area)),
        request.text("service"),
        request.choice("verdict", [*Verdict, _ALL]),
        request.text("q"),
        request.number("page"),
    )


def show_comparison(request: PageRequest) -> Response:
    """Return the view that the address asks for, or that says how to have two environments."""
    left, right = _choose(request)
    if right is None:
        command = left.commands.show_another()
        return request.render(
            "compare.html.j2", "Compare", crumbs=(), environment=left, other="", command=command
        )
    request.use(left.declaration, left.ledger, right.ledger, left.policies, right.policies)
    declaration = left.declaration.get().value
    asked = _read_filter(request, left.name, right.name)
    found = (_read(left), _read(right))
    entries = None if declaration is None else compare(*found, declaration)
    return request.render(
        "compare.html.j2",
        f"{asked.left} and {asked.right}",
        environment=left,
        crumbs=(Link("Compare", build_url("/compare", env=asked.left)),),
        other=asked.right,
        asked=asked,
        is_read=entries is not None,
        areas=build_areas(entries or (), asked),
        entries=build_entries(entries or (), asked),
        labels=name_verdicts(asked),
        legend=[(name_verdicts(asked)[each], series) for each, series in _SERIES.items()],
        services=sorted({each.service for each in entries or ()}),
        unread=[
            name
            for each in found
            for name, part in (("ledger", each.rows), ("policies", each.policies))
            if part is None
        ],
        environments=list(request.sources),
        area_names=list(Area),
        command=left.commands.compare_values(asked.right),
    )


def _choose(request: PageRequest) -> tuple[EnvironmentSources, EnvironmentSources | None]:
    """Return the environments in the address, by default the first one and the next one."""
    names = list(request.sources)
    left = request.choice("left", names) or request.environment().name
    others = [each for each in names if each != left]
    right = request.choice("right", names)
    if right in {"", left}:
        right = others[0] if others else ""
    return request.sources[left], request.sources[right] if right else None


def _read(sources: EnvironmentSources) -> Side:
    return Side(sources.environment, sources.ledger.get().value, sources.policies.get().value)


def _fits(entry: Entry, verdict: Verdict, asked: CompareFilter) -> bool:
    is_wanted = (
        verdict is not Verdict.EQUAL if not asked.verdict else asked.verdict in {_ALL, verdict}
    )
    return (
        is_wanted
        and asked.area in {"", entry.area}
        and asked.service in {"", entry.service}
        and asked.text.lower() in entry.name.lower()
    )


def _count(area: Area, verdict: Verdict, count: int, asked: CompareFilter) -> Cell:
    href = asked.url(area=area.value, verdict=verdict.value)
    return Link(f"{count:,}", href) if count else Note("0")


def _row(entry: Entry, names: Mapping[Verdict, str]) -> tuple[Cell, ...]:
    sides = (Note(each) if each == ABSENT else each for each in (entry.left, entry.right))
    badge = Badge(names[entry.verdict], _TONES.get(entry.verdict, PLAIN))
    service = "a job" if entry.service == JOBS else entry.service
    return (entry.name, badge, *sides, service, entry.area.value)
