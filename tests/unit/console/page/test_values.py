"""View of all values: filters, order and pages, all of them in the address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.page.views.due import Due
from console.page.views.paging import SIZE
from console.page.views.values import Values, ValuesFilter, build_values
from vault.rotation.inventory import Item, Kind
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.server_ages import Age

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = 86_400


def item(name: str, service: str | None = "shop", kind: Kind = Kind.SECRET) -> Item:
    return Item(kind, service, name, f"{service}/dev/{name}", 90 * DAY, is_declared=True)


def row(of: Item, age: int) -> Row:
    """Return the row of a value that is *age* days old, of 90 that it may be."""
    created = NOW - timedelta(days=age)
    due = created + timedelta(days=90)
    state = State.OVERDUE if due < NOW else State.OK
    never = LastRead(ReadState.NEVER)
    return Row(of, Age(created, created, 2), state, age * DAY, due, never)


NO_VALUE = replace(
    row(item("empty"), 0),
    age=Age(reason="no version was written"),
    state=State.NO_VALUE,
    age_seconds=None,
    due=None,
)
ROWS = [
    row(item("fresh"), 1),
    row(item("late"), 120),
    NO_VALUE,
    row(item("near", "mail", Kind.KEY), 85),
    row(item("month", "mail"), 65),
    row(item("strongroom-plan", None, Kind.SECRET_ID), 2),
]


def build(asked: ValuesFilter) -> Values:
    return build_values(ROWS, asked, "dev", NOW)


def names(values: Values) -> list[str]:
    return [each.row.item.name for each in values.page.rows]


def test_rows_are_in_order_of_their_due_date_and_unknown_ones_last() -> None:
    expected = ["late", "near", "month", "strongroom-plan", "fresh", "empty"]
    assert names(build(ValuesFilter())) == expected


def test_row_shows_the_part_of_its_period_and_the_reason_without_an_age() -> None:
    late, *_, empty = build(ValuesFilter()).page.rows
    assert (late.used, late.age, late.every, late.due) == (133, "120d", "90d", Due.OVERDUE)
    assert (empty.used, empty.reason, empty.due) == (None, "no version was written", Due.NO_VALUE)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ValuesFilter(service="mail"), ["near", "month"]),
        (ValuesFilter(service="-"), ["strongroom-plan"]),
        (ValuesFilter(kind="key"), ["near"]),
        (ValuesFilter(state="overdue"), ["late"]),
        (ValuesFilter(text="SHOP/f"), ["fresh"]),
        (ValuesFilter(service="shop", text="none"), []),
        (ValuesFilter(sort="age"), ["late", "near", "month", "strongroom-plan", "fresh", "empty"]),
        (ValuesFilter(sort="name", service="mail"), ["month", "near"]),
    ],
)
def test_filter_selects_and_orders_rows(asked: ValuesFilter, expected: list[str]) -> None:
    assert names(build(asked)) == expected


def test_facets_count_before_the_state_is_filtered_and_lead_back() -> None:
    facets = build(ValuesFilter(service="mail", state="within-7d")).facets
    assert [(each.due, each.count, each.is_current) for each in facets] == [
        (Due.SOON, 1, True),
        (Due.MONTH, 1, False),
    ]
    assert facets[0].href == "/values?env=dev&service=mail"
    assert facets[1].href == "/values?env=dev&service=mail&state=within-30d"


def test_pages_have_a_hundred_rows_and_keep_the_filter() -> None:
    rows = [row(item(f"s{number:03}"), 1) for number in range(2 * SIZE + 1)]
    values = build_values(rows, ValuesFilter(text="s", page=9), "dev", NOW)
    assert (values.page.count, values.page.number, values.page.first, values.page.total) == (
        3,
        3,
        201,
        201,
    )
    assert names(values) == ["s200"]
    assert values.filter.url("dev", page=2) == "/values?env=dev&q=s&page=2"


def test_address_of_a_value_quotes_its_name() -> None:
    values = build_values([row(item("tls/key ?"), 1)], ValuesFilter(), "dev", NOW)
    assert values.page.rows[0].href == "/value/secret/shop/tls%2Fkey%20%3F?env=dev"
