"""View of the plan: what differs now between a server and the declaration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.urls import build_url
from console.page.views.badge import BAD, GOOD, PLAIN, WARN, Badge
from console.page.views.overview import Tile
from console.page.views.paging import Page, build_page
from console.page.views.stack import Part, build_stack
from console.plan_view import describe_field, describe_missing
from vault.declare.declaration import Declaration
from vault.declare.server_names import APPLY_JOB, PLAN_JOB
from vault.reconcile.planning.partial import PartialPlan
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
#: Series of the bars, in the order of the tiles.
_SERIES: Final = {
    Action.CREATE: "series-2",
    Action.UPDATE: "series-0",
    Action.DELETE: "series-3",
}


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """What the address asks for; each part is empty if it does not matter.

    Attributes:
        service: Name of a service, or ``-`` for what belongs to none.
        action: Action of the changes.
        kind: Kind of the resources.
        text: Part of their names.
        page: Number of the page.

    """

    service: str = ""
    action: str = ""
    kind: str = ""
    text: str = ""
    page: int = 1

    def url(self, environment: str, **changes: Any) -> str:
        """Return the address of the view with *changes*, on its first page by default."""
        new = replace(self, **{"page": 1, **changes})
        return build_url(
            "/plan",
            env=environment,
            service=new.service,
            action=new.action,
            kind=new.kind,
            q=new.text,
            page=new.page if new.page > 1 else None,
        )


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A change, as the view shows it.

    Attributes:
        service: Service that it is of, ``-`` if it is of none.
        badge: What is done.
        lines: Its fields as the terminal shows them. No value of a secret is among them.

    """

    service: str
    badge: Badge
    kind: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceBar:
    """Number of changes of a service.

    Attributes:
        name: Name of the service, ``-`` for what belongs to none.
        href: Address that shows only its changes, or all if it is shown already.
        bars: Those with each action.

    """

    name: str
    href: str
    is_current: bool
    bars: tuple[Part, ...]
    total: int


@dataclass(frozen=True, slots=True)
class PlanView:
    """What the view shows.

    Attributes:
        tiles: The numbers of the plan.
        services: The services with changes, before the filter by them.
        page: The changes.
        missing: Secrets that have no value, which someone must provide.
        denied: Kind and number of resources that this credential may not read.
        fuller_role: Role that may read all of them.
        apply_role: Role that applies the changes.
        kinds: Kinds that can be filtered by.

    """

    filter: PlanFilter
    tiles: tuple[Tile, ...]
    services: tuple[ServiceBar, ...]
    page: Page[ChangeLine]
    missing: tuple[str, ...]
    denied: tuple[tuple[str, int], ...]
    fuller_role: str
    apply_role: str
    kinds: tuple[str, ...]


def build_plan_view(
    found: PartialPlan, declaration: Declaration, environment: str, asked: PlanFilter
) -> PlanView:
    """Return what the view shows.

    Args:
        found: The plan, as far as it is known.
        declaration: The declaration, which names the services.
        environment: Name of the environment.
        asked: What the address asks for.

    """
    declared = declaration.environment(environment)
    services = {scope.service for scope in declaration.scopes(environment)}
    changes = [
        (find_service(each.resource.name, environment, services), each)
        for each in found.plan.changes
    ]
    fitting = [pair for pair in changes if _fits(pair[1], asked)]
    shown = [pair for pair in fitting if asked.service in {"", pair[0]}]
    page = build_page(shown, asked.page, lambda number: asked.url(environment, page=number))
    return PlanView(
        asked,
        _tiles(found.plan, asked, environment),
        tuple(_service_bars(fitting, asked, environment)),
        page.map(lambda pair: _line(*pair)),
        tuple(describe_missing(found.plan, name) for name in found.plan.missing),
        tuple(sorted(Counter(each.kind for each in found.denied).items())),
        declared.server_name(PLAN_JOB),
        declared.server_name(APPLY_JOB),
        tuple(sorted({each.kind for _, each in changes})),
    )


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
    declaration, plan = environment.declaration.get().value, environment.plan.get().value
    view = declaration and plan and build_plan_view(plan, declaration, environment.name, asked)
    return request.render(
        "plan.html.j2",
        "Plan",
        environment=environment,
        plan=view,
        actions=list(Action),
        apply_command=environment.commands.apply(),
        plan_command=environment.commands.plan(),
    )


def _fits(change: Change, asked: PlanFilter) -> bool:
    return (
        asked.action in {"", change.action.value}
        and asked.kind in {"", change.kind}
        and asked.text.lower() in change.resource.name.lower()
    )


def _line(service: str, change: Change) -> ChangeLine:
    is_created = change.action is Action.CREATE
    lines = [
        line for field in change.fields for line in describe_field(field, is_created=is_created)
    ]
    badge = _BADGES[change.action]
    return ChangeLine(service, badge, change.kind, change.resource.name, tuple(lines))


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


def _service_bars(
    changes: Sequence[tuple[str, Change]], asked: PlanFilter, environment: str
) -> Iterable[ServiceBar]:
    """Yield the bars of each service, the one with the most changes first."""
    counts = Counter((service, change.action) for service, change in changes)
    totals = Counter(service for service, _ in changes)
    top = max(totals.values(), default=0)
    for service, total in totals.most_common():
        is_current = asked.service == service
        href = asked.url(environment, service="" if is_current else service)
        pairs = [(series, counts[service, action]) for action, series in _SERIES.items()]
        yield ServiceBar(service, href, is_current, build_stack(pairs, top), total)
