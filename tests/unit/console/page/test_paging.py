"""Pages of rows: their bounds, and the links between them."""

from __future__ import annotations

import pytest

from console.page.views.paging import SIZE, build_page


@pytest.mark.parametrize(
    ("rows", "number", "expected"),
    [
        (0, 1, (0, 0, 1, 1, [], [])),
        (SIZE, 9, (1, SIZE, 1, 1, [], [])),
        (SIZE + 1, 1, (1, SIZE, 1, 2, [], ["2", "2"])),
        (3 * SIZE, 2, (SIZE + 1, SIZE, 2, 3, ["1", "1"], ["3", "3"])),
        (3 * SIZE, 99, (2 * SIZE + 1, SIZE, 3, 3, ["1", "2"], [])),
    ],
)
def test_page_has_its_rows_and_links(rows: int, number: int, expected: tuple[object, ...]) -> None:
    page = build_page(range(rows), number, str)
    links = [[link.href for link in links] for links in (page.back, page.forth)]
    assert (page.first, len(page.rows), page.number, page.count, *links) == expected


def test_map_keeps_the_place_of_the_page() -> None:
    page = build_page(range(3 * SIZE), 2, str)
    shown = page.map(str)
    assert (shown.rows[0], shown.first, shown.total) == ("100", 101, 300)
