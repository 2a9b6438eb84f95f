"""View of the plan: what differs now between a server and the declaration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.urls import Filter
from console.page.views.overview import Tile
from console.views.cells import BAD, GOOD, PLAIN, WARN, Badge, Cell, Diff, Link, Note, stack
from console.views.plan import describe_field, describe_missing
from console.views.table import Column, Kind, Pages, Table, columns
from vault.declare.declaration import Declaration
from vault.declare.server_names import APPLY_JOB, PLAN_JOB
from vault.reconcile.planning.partial_plan import PartialPlan
from vault.reconcile.planning.plan import Action, Change, Plan
from vault.reconcile.planning.service_plan import find_service

_BADGES: Final = {
    Action.CREATE: Badge("create", GOOD),
    Action.UPDATE: Badge("change", WARN),
    Action.DELETE: Badge("delete", BAD),
}
_TILES: Final = (
    ("To create", Action.CREATE, GOOD),
    ("To change", Action.UPDATE, WARN),
    ("To delete", Action.DELETE, BAD),
)
_COLUMNS: Final = columns("name Name, state Action, state Kind, text Service, fields Fields")
#: Series of the bars, in the order of the tiles.
_SERIES: Final = {
    Action.CREATE: "series-2",
    Action.UPDATE: "series-0",
    Action.DELETE: "series-3",
}


@dataclass(frozen=True, slots=True)
class PlanFilter(Filter):
    """What the address asks for; each part is empty if it does not matter."""

    path: ClassVar[str] = "/plan"
    service: str = ""
    action: str = ""
    kind: str = ""
    text: str = ""
    page: int = 1


def build_changes(
    found: PartialPlan, declaration: Declaration, environment: str, asked: PlanFilter
) -> Table:
    """Return the page of changes that the view shows. No value of a secret is among them."""
    fitting = _find_changes(found, declaration, environment, asked)
    shown = [pair for pair in fitting if asked.service in {"", pair[0]}]
    pages = Pages(asked.page, len(shown), lambda number: asked.url(environment, page=number))
    rows = [_row(*pair) for pair in pages.cut(shown)]
    return Table("Changes", _COLUMNS, rows, "changes", pages)


def build_services(
    found: PartialPlan, declaration: Declaration, environment: str, asked: PlanFilter
) -> Table:
    """Return the bars of each service, the one with the most changes first.

    They are those before the filter by them. See :func:`build_changes`.
    """
    changes = _find_changes(found, declaration, environment, asked)
    counts = Counter((service, change.action) for service, change in changes)
    totals = Counter(service for service, _ in changes)
    top = max(totals.values(), default=0)
    rows = []
    for service, total in totals.most_common():
        is_current = asked.service == service
        href = asked.url(environment, service="" if is_current else service)
        pairs = [(series, counts[service, action]) for action, series in _SERIES.items()]
        numbers = Note(" / ".join(f"{count:,}" for _, count in pairs))
        link = Link(_name(service), href, is_current)
        rows.append((link, stack(pairs, top), numbers, total))
    each = Column("create, change, delete", Kind.NUMBER)
    headings = (*columns("name service, bar share"), each, *columns("number changes"))
    return Table("Changes by service", headings, rows, "bars")


def show_plan(request: PageRequest) -> Response:
    """Return the view that the address asks for."""
    environment = request.environment()
    asked = PlanFilter(
        request.text("service"),
        request.choice("action", list(Action)),
        request.text("kind"),
        request.text("q"),
        request.number("page"),
    )
    request.use(environment.declaration, environment.plan)
    declaration, found = environment.declaration.get().value, environment.plan.get().value
    return request.render(
        "plan.html.j2",
        "Plan",
        environment=environment,
        asked=asked,
        plan=declaration and found and build_plan(found, declaration, environment.name, asked),
        actions=list(Action),
        apply_command=environment.commands.apply(),
        plan_command=environment.commands.plan(),
    )


def build_plan(
    found: PartialPlan, declaration: Declaration, environment: str, asked: PlanFilter
) -> dict[str, Any]:
    """Return what the view shows. See :func:`build_changes`."""
    parts = (found, declaration, environment, asked)
    declared = declaration.environment(environment)
    return {
        "tiles": _tiles(found.plan, asked, environment),
        "services": build_services(*parts),
        "changes": build_changes(*parts),
        "missing": [describe_missing(found.plan, name) for name in found.plan.missing],
        "denied": sorted(Counter(each.kind for each in found.denied).items()),
        "fuller_role": declared.server_name(PLAN_JOB),
        "apply_role": declared.server_name(APPLY_JOB),
        "kinds": sorted({each.kind for each in found.plan.changes}),
    }


def _find_changes(
    found: PartialPlan, declaration: Declaration, environment: str, asked: PlanFilter
) -> list[tuple[str, Change]]:
    """Return the changes that fit, each with its service, ``-`` if it is of none."""
    services = {scope.service for scope in declaration.scopes(environment)}
    return [
        (find_service(each.resource.name, environment, services), each)
        for each in found.plan.changes
        if _fits(each, asked)
    ]


def _fits(change: Change, asked: PlanFilter) -> bool:
    return (
        asked.action in {"", change.action.value}
        and asked.kind in {"", change.kind}
        and asked.text.lower() in change.resource.name.lower()
    )


def _name(service: str) -> str:
    return "shared" if service == "-" else service


def _row(service: str, change: Change) -> tuple[Cell, ...]:
    is_created = change.action is Action.CREATE
    lines = [
        line for field in change.fields for line in describe_field(field, is_created=is_created)
    ]
    badge, diff = _BADGES[change.action], Diff(tuple(lines))
    return (change.resource.name, badge, change.kind, _name(service), diff)


def _tiles(plan: Plan, asked: PlanFilter, environment: str) -> tuple[Tile, ...]:
    counts = Counter(change.action for change in plan.changes)
    missing = len(plan.missing)
    return (
        *(
            Tile(
                name,
                f"{counts[action]:,}",
                tone if counts[action] else PLAIN,
                href=asked.url(environment, action=action.value) if counts[action] else None,
            )
            for name, action, tone in _TILES
        ),
        Tile("Without a value", f"{missing:,}", WARN if missing else PLAIN),
        Tile("As declared", f"{plan.unchanged:,}"),
    )
