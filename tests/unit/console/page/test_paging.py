"""Pages of rows: their bounds, and the links between them."""

from __future__ import annotations

import pytest

from console.views.table import SIZE, Pages


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
    pages = Pages(number, rows, str)
    shown = pages.cut(range(rows))
    links = [[link.href for link in links] for links in (pages.back, pages.forth)]
    assert (pages.first, len(shown), pages.number, pages.count, *links) == expected
    assert (shown[:1], pages.last) == (
        range(pages.first - 1, pages.first) if rows else range(0),
        pages.first + len(shown) - 1 if rows else 0,
    )
