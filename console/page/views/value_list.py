"""View of all secrets, keys and credentials, by their age against their due date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.urls import JOBS, Filter, value_url
from console.page.views.due import Due, find_due, show_due
from console.views.cells import PLAIN, Badge, Bars, Cell, Link, Note
from console.views.ledger import format_age
from console.views.table import Column, Pages, Table, bar_table, columns
from vault.declare import durations
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import Row
from vault.rotation.server_ages import Age

#: Characters of the name of a secret-id, which is random, that tell it from the others.
_SHOWN: Final = 8
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_COLUMNS: Final = columns(
    "name Name, time Due, state State, number Age, bar Part of its period, number Period, "
    "text Service, text Kind"
)


@dataclass(frozen=True, slots=True)
class ValuesFilter(Filter):
    """What the address asks for; each part is empty if it does not matter."""

    path: ClassVar[str] = "/values"
    service: str = ""
    kind: str = ""
    state: str = ""
    text: str = ""
    sort: str = ""
    page: int = 1


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
) -> Table:
    """Return the page of *rows* that the view shows."""
    found = [(row, find_due(row, now)) for row in rows if _fits(row, asked)]
    shown = [pair for pair in found if not asked.state or pair[1] == asked.state]
    shown.sort(key=lambda pair: _ORDERS[asked.sort or "due"](pair[0]))
    pages = Pages(asked.page, len(shown), lambda number: asked.url(environment, page=number))
    table = build_value_table(pages.cut(shown), environment, now, "Values")
    headings = tuple(_column(each, asked, environment) for each in _COLUMNS)
    return replace(table, columns=headings, pages=pages)


def build_value_table(
    rows: Iterable[tuple[Row, Due]], environment: str, now: datetime, title: str
) -> Table:
    """Return a table of values."""
    return Table(title, _COLUMNS, [_row(*pair, environment, now) for pair in rows], "values")


def build_facets(
    rows: Iterable[Row], asked: ValuesFilter, environment: str, now: datetime
) -> Table:
    """Return the number of values by when they are due, before the filter by that."""
    counts = Counter(find_due(row, now) for row in rows if _fits(row, asked))
    bars = [
        (_facet(due, asked, environment), counts[due], f"due-{due}")
        for due in Due
        if counts[due] or asked.state == due
    ]
    return bar_table("Values by due date", "name due, bar share, number values", bars)


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
    rows = environment.ledger.get().value
    shown = (rows or (), asked, environment.name, request.now)
    return request.render(
        "values.html.j2",
        "Values",
        environment=environment,
        asked=asked,
        values=build_values(*shown),
        facets=build_facets(*shown),
        services=sorted({row.item.service or JOBS for row in rows or ()}),
        is_read=rows is not None,
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


def _facet(due: Due, asked: ValuesFilter, environment: str) -> Link:
    is_current = asked.state == due
    href = asked.url(environment, state="" if is_current else due.value)
    return Link(due.label, href, is_current)


def _column(column: Column, asked: ValuesFilter, environment: str) -> Column:
    """Return *column* with the address that sorts by it, if it has an order."""
    name = column.heading.lower()
    if name not in _ORDERS:
        return column
    order = "descending" if name == "age" else "ascending"
    href = asked.url(environment, sort="" if name == "due" else name)
    return replace(column, href=href, order=order if (asked.sort or "due") == name else "")


def _row(row: Row, due: Due, environment: str, now: datetime) -> tuple[Cell, ...]:
    item, step = row.item, row.rotation and row.rotation.step
    used, badge = _used(row, now), show_due(row, due, now)
    link, holder = Link(item.name, value_url(item, environment)), _find_holder(row.age)
    return (
        (link, Note(holder)) if holder else link,
        row.due,
        (badge, Badge(f"rotating: {step}", PLAIN)) if step else badge,
        "" if row.age_seconds is None else format_age(row.age_seconds),
        Note(row.age.reason or "") if used is None else _show_used(used, due),
        "with its parts" if item.every is None else durations.render(item.every),
        item.service or "a job",
        item.kind.value,
    )


def _find_holder(age: Age) -> str:
    """Return what tells a secret-id from the others of its AppRole, empty of any other value."""
    if age.accessor is None:
        return ""
    name = (age.issued or age.accessor)[:_SHOWN]
    return f"secret-id {name} on {age.host}" if age.host else f"secret-id {name}"


def _show_used(used: int, due: Due) -> Bars:
    return Bars((("ground", 0, 100), (f"due-{due}", 0, min(used, 100))), label=f"{used} %")


def _used(row: Row, now: datetime) -> int | None:
    """Return the part of the time until the due date that has passed, of 100."""
    if row.age.created is None or row.due is None:
        return None
    whole = (row.due - row.age.created).total_seconds()
    return (
        int(100 * max(0.0, (now - row.age.created).total_seconds()) / whole) if whole > 0 else 100
    )
