"""View of two environments: what one has and the other lacks or has otherwise. Never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.responses import Response

from console.page.page_request import Link, PageRequest
from console.page.sources.sources import EnvironmentSources
from console.page.urls import build_url
from console.page.views.differences import Area, Entry, Side, Verdict, compare
from console.page.views.paging import Page, build_page
from console.page.views.stack import Part, build_stack
from vault.declare.declaration import Declaration

_ALL: Final = "all"
#: Verdict → series of its bars. Those of equal entries have none, because they would hide the rest.
_SERIES: Final = {
    Verdict.LEFT: "series-0",
    Verdict.RIGHT: "series-1",
    Verdict.DIFFERENT: "series-3",
}


@dataclass(frozen=True, slots=True)
class CompareFilter:
    """What the address asks for; each part is empty if it does not matter.

    Attributes:
        left: Name of one environment.
        right: Name of the other one.
        area: Area of the entries.
        service: Name of a service, or ``-`` for the jobs.
        verdict: Result of the entries, ``all`` for each, empty for those that differ.
        text: Part of their names.
        page: Number of the page.

    """

    left: str
    right: str
    area: str = ""
    service: str = ""
    verdict: str = ""
    text: str = ""
    page: int = 1

    def url(self, **changes: Any) -> str:
        """Return the address of the view with *changes*, on its first page by default."""
        new = replace(self, **{"page": 1, **changes})
        return build_url(
            "/compare",
            left=new.left,
            right=new.right,
            area=new.area,
            service=new.service,
            verdict=new.verdict,
            q=new.text,
            page=new.page if new.page > 1 else None,
        )


@dataclass(frozen=True, slots=True)
class AreaLine:
    """Numbers of an area.

    Attributes:
        counts: Those of each result but equality.
        equal: Number of equal entries.

    """

    area: Area
    href: str
    is_current: bool
    counts: tuple[Part, ...]
    equal: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the view shows.

    Attributes:
        areas: The numbers of each area, before the filters.
        page: The entries.
        services: Services that can be filtered by.
        labels: Verdict → its text, with the environments' names.

    """

    filter: CompareFilter
    areas: tuple[AreaLine, ...]
    page: Page[Entry]
    services: tuple[str, ...]
    labels: Mapping[str, str]


def build_comparison(
    left: Side, right: Side, declaration: Declaration, asked: CompareFilter
) -> Comparison:
    """Return what the view shows.

    Args:
        left: One environment.
        right: The other one.
        declaration: The declaration of both.
        asked: What the address asks for.

    """
    entries = compare(left, right, declaration)
    pairs = [(each, each.verdict) for each in entries]
    shown = [entry for entry, verdict in pairs if _fits(entry, verdict, asked)]
    counts = Counter((entry.area, verdict) for entry, verdict in pairs)
    labels = {
        Verdict.LEFT: f"only in {asked.left}",
        Verdict.RIGHT: f"only in {asked.right}",
        Verdict.DIFFERENT: "different",
        Verdict.EQUAL: "equal",
    }
    return Comparison(
        asked,
        tuple(_area_lines(counts, asked)),
        build_page(shown, asked.page, lambda number: asked.url(page=number)),
        tuple(sorted({each.service for each in entries})),
        {verdict.value: text for verdict, text in labels.items()},
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
    asked = CompareFilter(
        left.name,
        right.name,
        request.choice("area", list(Area)),
        request.text("service"),
        request.choice("verdict", [*Verdict, _ALL]),
        request.text("q"),
        request.number("page"),
    )
    found = (_read(left), _read(right))
    return request.render(
        "compare.html.j2",
        f"{asked.left} and {asked.right}",
        environment=left,
        crumbs=(Link("Compare", build_url("/compare", env=asked.left)),),
        other=asked.right,
        comparison=None if declaration is None else build_comparison(*found, declaration, asked),
        unread=[
            name
            for each in found
            for name, part in (("ledger", each.rows), ("policies", each.policies))
            if part is None
        ],
        environments=list(request.sources),
        areas=list(Area),
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


def _area_lines(counts: Counter[tuple[Area, Verdict]], asked: CompareFilter) -> Iterator[AreaLine]:
    totals = Counter({area: sum(counts[area, each] for each in _SERIES) for area in Area})
    top = max(totals.values())
    for area in Area:
        if not (totals[area] or counts[area, Verdict.EQUAL]):
            continue
        stack = build_stack(((series, counts[area, each]) for each, series in _SERIES.items()), top)
        bars = tuple(
            replace(part, href=asked.url(area=area.value, verdict=verdict.value))
            for part, verdict in zip(stack, _SERIES, strict=True)
        )
        is_current = asked.area == area
        href = asked.url(area="" if is_current else area.value, verdict="")
        yield AreaLine(area, href, is_current, bars, counts[area, Verdict.EQUAL])
