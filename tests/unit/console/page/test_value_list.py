"""View of all values: filters, order and pages, all of them in the address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.page.views.due import Due
from console.page.views.value_list import ValuesFilter, build_facets, build_values
from console.views.cells import Badge, Bars, Link, Note
from console.views.table import SIZE, Table
from tests.support.table_cells import column, texts
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.record import Record, Step
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


def build(asked: ValuesFilter) -> Table:
    return build_values(ROWS, asked, "dev", NOW)


def names(values: Table) -> list[str]:
    return [name for (name,) in texts(values, "Name")]


def test_rows_are_in_order_of_their_due_date_and_unknown_ones_last() -> None:
    expected = ["late", "near", "month", "strongroom-plan", "fresh", "empty"]
    assert names(build(ValuesFilter())) == expected


def test_row_shows_the_part_of_its_period_and_the_reason_without_an_age() -> None:
    values = build(ValuesFilter())
    late, *_, empty = texts(values, "State", "Age", "Part of its period", "Period")
    assert late == ("overdue", "120d", "133 %", "90d")
    assert empty == ("no value", "", "no version was written", "90d")
    used, *_, reason = column(values, "Part of its period")
    assert used == Bars((("ground", 0, 100), ("due-overdue", 0, 100)), label="133 %")
    assert reason == Note("no version was written")


def test_row_of_a_rotation_that_is_under_way_has_its_step() -> None:
    rotated = replace(ROWS[0], rotation=Record("1", Step.CONSUMERS, NOW))
    (state,) = column(build_values([rotated], ValuesFilter(), "dev", NOW), "State")
    assert state == (Due.LATER.badge, Badge("rotating: consumers", "plain"))


def test_columns_that_can_be_sorted_by_have_an_address_and_the_current_one_its_order() -> None:
    values = build(ValuesFilter(sort="age", service="shop"))
    orders = {each.heading: each.order for each in values.columns if each.href}
    headings = ("Name", "Due", "Age", "Service", "Kind")
    assert orders == {**dict.fromkeys(headings, ""), "Age": "descending"}
    assert values.columns[1].href == "/values?env=dev&service=shop"


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
    facets = build_facets(ROWS, ValuesFilter(service="mail", state="within-7d"), "dev", NOW)
    month = "/values?env=dev&service=mail&state=within-30d"
    assert column(facets, "due") == [
        Link(Due.SOON.label, "/values?env=dev&service=mail", is_current=True),
        Link(Due.MONTH.label, month),
    ]
    assert column(facets, "values") == [1, 1]


def test_pages_have_a_hundred_rows_and_keep_the_filter() -> None:
    rows = [row(item(f"s{number:03}"), 1) for number in range(2 * SIZE + 1)]
    values = build_values(rows, ValuesFilter(text="s", page=9), "dev", NOW)
    pages = values.pages
    assert pages is not None
    assert (pages.count, pages.number, pages.first, pages.total) == (3, 3, 201, 201)
    assert names(values) == ["s200"]
    assert pages.url(2) == "/values?env=dev&q=s&page=2"


def test_secret_ids_of_one_role_say_which_and_on_which_host() -> None:
    of = row(item("shop-dev", kind=Kind.SECRET_ID), 1)
    ages = [
        Age(NOW, accessor="0123456789", issued="b497f1b93d33c7a3", host="web-1"),
        Age(NOW, accessor="1123456789", issued="agent"),
        Age(NOW, accessor="2123456789"),
    ]
    values = build_values([replace(of, age=age) for age in ages], ValuesFilter(), "dev", NOW)
    assert names(values) == [
        "shop-dev secret-id b497f1b9 on web-1",
        "shop-dev secret-id agent",
        "shop-dev secret-id 21234567",
    ]


def test_due_date_stands_beside_the_name_where_a_narrow_window_shows_it() -> None:
    assert [each.heading for each in build(ValuesFilter()).columns[:3]] == ["Name", "Due", "State"]


def test_address_of_a_value_quotes_its_name() -> None:
    values = build_values([row(item("tls/key ?"), 1)], ValuesFilter(), "dev", NOW)
    href = "/value/secret/shop/tls%2Fkey%20%3F?env=dev"
    assert column(values, "Name") == [Link("tls/key ?", href)]
