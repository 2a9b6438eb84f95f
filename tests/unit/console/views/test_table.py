"""One table with each kind of cell, on the terminal and as HTML: both have the same texts."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from console.views.cells import Badge, Bars, Cell, Diff, Link, Mark, Note, stack, to_text
from console.views.report import show_tables
from console.views.table import Column, Kind, Pages, Table, bar_table, columns
from console.views.web import create_environment

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOSTILE = "<script>\x1b]0;\N{RIGHT-TO-LEFT OVERRIDE}\"'&"
SHOWN = "<script>\\x1b]0;\\u202e\"'&"
#: Cell → its text on the terminal, and on a page.
CELLS: dict[Cell, tuple[str, str]] = {
    HOSTILE: (SHOWN, SHOWN),
    1234: ("1,234", "1,234"),
    NOW - timedelta(days=3): ("2026-04-28 12:00:00Z", "3d ago"),
    None: ("-", ""),
    Link(HOSTILE, "/x?a=1&b=2", is_current=True): (SHOWN, SHOWN),
    Badge("overdue", "bad"): ("overdue", "overdue"),
    Mark("denied"): ("denied", "denied"),
    Note(("login", NOW), "warn"): ("login 2026-05-01 12:00:00Z", "login in 0m"),
    Bars((("read", 0, 50),), (("now", 9.5),), "50 %"): ("50 %", "50 %"),
    Diff((" a", "  +b", HOSTILE)): (f" a\\n  +b\\n{SHOWN}", f" a  +b{SHOWN}"),
    (Badge("a", "good"), "b"): ("a b", "a b"),
}

NAMES = [type(each).__name__ for each in CELLS]


def table(*cells: Cell) -> Table:
    headings = tuple(Column(f"c{number}", Kind.TEXT) for number in range(len(cells)))
    return Table("All kinds", headings, [cells])


def render(shown: Table) -> str:
    template = create_environment(Path(__file__).parent).from_string(
        '{% import "macros.html.j2" as parts with context %}{{ parts.table(table) }}'
    )
    return template.render(table=shown, now=NOW)


def strip(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize(
    ("cell", "shown"), CELLS.items(), ids=[type(each).__name__ for each in CELLS]
)
def test_cell_has_its_text_on_the_terminal_and_on_a_page(
    cell: Cell, shown: tuple[str, str]
) -> None:
    out = io.StringIO()
    show_tables(Console(file=out, width=500), [table(cell)])
    assert out.getvalue().splitlines()[-1] == shown[0]
    page = render(table("x", cell))
    assert strip(page.partition("<td")[2].partition(">")[2].partition("</tr>")[0]) == shown[1]
    assert [each for each in page if not each.isprintable() and each != "\n"] == []


def test_table_of_a_page_has_a_name_headings_and_a_heading_of_each_row() -> None:
    headings = columns("name Name, number Reads")
    page = render(Table(HOSTILE, headings, [("a", 1), (Note("spans all"),)], "values"))
    assert page.count("&lt;script&gt;") == 2  # the region and the caption
    assert '<th scope="col" class="number">Reads</th>' in page
    assert '<th scope="row" class="name">a</th><td class="number">1</td>' in page
    assert '<td colspan="2"><span class="note">spans all</span></td>' in page


def test_column_that_can_be_sorted_by_has_its_order() -> None:
    page = render(Table("t", (Column("Due", Kind.TIME, "/v?a&b", "ascending"),), [("a",)]))
    assert 'aria-sort="ascending"><a href="/v?a&amp;b">Due <span aria-hidden="true">' in page


def test_bars_are_as_long_as_their_part_of_the_largest() -> None:
    bars = bar_table("b", "name due, bar share, number values", [("a", 4, "x"), ("b", 1, "y")])
    assert [row[1] for row in bars.rows] == [stack([("x", 4)], 4), stack([("y", 1)], 4)]
    assert 'class="y" x="0.00" y="0" width="25.00"' in render(bars)
    assert bar_table("b", "name due, bar share, number values", []).rows == []


def test_stack_has_its_series_beside_each_other() -> None:
    found = stack([("a", 2), ("b", 1), ("c", 0)], 4)
    assert found.parts == (("a", 0, 50), ("b", 50, 25), ("c", 75, 0))
    assert stack([("a", 0)], 0).parts == (("a", 0, 0),)
    assert to_text(found) == ""


def test_table_links_to_its_other_pages() -> None:
    pages = Pages(2, 250, lambda number: f"/v?page={number}", note="9 requests")
    page = render(Table("t", columns("name Name"), [("a",)], pages=pages))
    assert "101\N{EN DASH}200 of 250 · 9 requests" in page
    assert re.findall(r'href="/v\?page=(\d)"', page) == ["1", "1", "3", "3"]
