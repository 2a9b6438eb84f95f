"""View of all secrets, keys and credentials, by their age against their due date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from console.ledger_view import format_age
from console.page.page_request import Link, PageRequest
from console.page.urls import JOBS, build_url, value_url
from console.page.views.due import Due, find_due
from console.page.views.paging import Page, build_page
from vault.declare import durations
from vault.rotation.inventory import Kind
from vault.rotation.ledger.ledger import Row

_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ValuesFilter:
    """What the address asks for; each part is empty if it does not matter.

    Attributes:
        service: Name of a service, or ``-`` for the jobs.
        kind: Kind of the values.
        state: When they are due.
        text: Part of their names.
        sort: Column to sort by, ``due`` if empty.
        page: Number of the page.

    """

    service: str = ""
    kind: str = ""
    state: str = ""
    text: str = ""
    sort: str = ""
    page: int = 1

    def url(self, environment: str, **changes: Any) -> str:
        """Return the address of the view with *changes*, on its first page by default."""
        new = replace(self, **{"page": 1, **changes})
        return build_url(
            "/values",
            env=environment,
            service=new.service,
            kind=new.kind,
            state=new.state,
            q=new.text,
            sort=new.sort,
            page=new.page if new.page > 1 else None,
        )


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value, as the view shows it.

    Attributes:
        href: Address of its page.
        age: Its age, empty if that is not known.
        every: Its period.
        due: When it is due.
        used: Part of its period that has passed, of 100; None if there is none. More is overdue.
        step: Step of the rotation that is under way, empty if there is none.
        reason: Why its age is not known, empty if it is.

    """

    row: Row
    href: str
    due: Due
    age: str
    every: str
    used: int | None
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Facet:
    """A bar of the chart: how many values are due then, and the address that shows only these."""

    due: Due
    count: int
    length: float
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Values:
    """What the view shows.

    Attributes:
        filter: What was asked for.
        page: The page, and links to the others.
        facets: The number of values by when they are due, before the filter by that.
        services: Services that can be filtered by.
        columns: Heading and address of each column that can be sorted by.

    """

    filter: ValuesFilter
    page: Page[ValueRow]
    facets: tuple[Facet, ...]
    services: tuple[str, ...]
    columns: tuple[Link, ...]


def _by_name(row: Row) -> tuple[str, str, str]:
    item = row.item
    return (item.service or "\uffff", item.kind, item.name)


#: Column → its order. What is not known comes last.
_ORDERS: Final[dict[str, Callable[[Row], Any]]] = {
    "due": lambda row: (row.due or _LATEST, _by_name(row)),
    "age": lambda row: (-(row.age_seconds if row.age_seconds is not None else -1), _by_name(row)),
    "service": _by_name,
    "name": lambda row: (row.item.name, _by_name(row)),
    "kind": lambda row: (row.item.kind, _by_name(row)),
}


def build_values(
    rows: Sequence[Row], asked: ValuesFilter, environment: str, now: datetime
) -> Values:
    """Return what the view shows of *rows*.

    Args:
        rows: Rows of the ledger.
        asked: What the address asks for. A page after the last one is the last one.
        environment: Name of the environment.
        now: The current time.

    """
    found = [(row, find_due(row, now)) for row in rows if _fits(row, asked)]
    shown = [pair for pair in found if not asked.state or pair[1] == asked.state]
    shown.sort(key=lambda pair: _ORDERS[asked.sort or "due"](pair[0]))
    page = build_page(shown, asked.page, lambda number: asked.url(environment, page=number))
    return Values(
        asked,
        page.map(lambda pair: build_value_row(*pair, environment, now)),
        _facets((due for _, due in found), asked, environment),
        tuple(sorted({row.item.service or JOBS for row in rows})),
        tuple(_column(name, asked, environment) for name in _ORDERS),
    )


def build_value_row(row: Row, due: Due, environment: str, now: datetime) -> ValueRow:
    """Return *row* as a view shows it.

    Args:
        row: A row of the ledger.
        due: When it is due.
        environment: Name of the environment.
        now: The current time.

    """
    every = row.item.every
    return ValueRow(
        row,
        value_url(row.item, environment),
        due,
        "" if row.age_seconds is None else format_age(row.age_seconds),
        "with its parts" if every is None else durations.render(every),
        _used(row, now),
        "" if row.rotation is None else row.rotation.step.value,
        row.age.reason or "",
    )


def show_values(request: PageRequest) -> Response:
    """Return the view that the address asks for."""
    environment = request.environment()
    asked = ValuesFilter(
        request.text("service"),
        request.choice("kind", list(Kind)),
        request.choice("state", list(Due)),
        request.text("q"),
        request.choice("sort", _ORDERS.keys()),
        request.number("page"),
    )
    request.use(environment.ledger)
    reading = environment.ledger.get()
    values = build_values(reading.value or (), asked, environment.name, request.now)
    return request.render(
        "values.html.j2",
        "Values",
        environment=environment,
        values=values,
        is_read=reading.value is not None,
        kinds=list(Kind),
        dues=list(Due),
    )


def _fits(row: Row, asked: ValuesFilter) -> bool:
    item = row.item
    return (
        asked.service in {"", item.service or JOBS}
        and asked.kind in {"", item.kind.value}
        and asked.text.lower() in f"{item.service or ''}/{item.name}".lower()
    )


def _facets(dues: Iterable[Due], asked: ValuesFilter, environment: str) -> tuple[Facet, ...]:
    counts = Counter(dues)
    top = max(counts.values(), default=1)
    return tuple(
        Facet(
            due,
            counts[due],
            100 * counts[due] / top,
            asked.url(environment, state="" if asked.state == due else due.value),
            asked.state == due,
        )
        for due in Due
        if counts[due] or asked.state == due
    )


def _column(name: str, asked: ValuesFilter, environment: str) -> Link:
    is_current = (asked.sort or "due") == name
    return Link(name, asked.url(environment, sort="" if name == "due" else name), is_current)


def _used(row: Row, now: datetime) -> int | None:
    """Return the part of the time until the due date that has passed, of 100."""
    if row.age.created is None or row.due is None:
        return None
    whole = (row.due - row.age.created).total_seconds()
    return (
        int(100 * max(0.0, (now - row.age.created).total_seconds()) / whole) if whole > 0 else 100
    )
