"""Pages of rows: one of them, and the links to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from console.page.page_request import Link

#: Rows of a page.
SIZE: Final = 100

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of rows.

    Attributes:
        rows: Its rows.
        first: Number of its first row, 0 without rows.
        total: Number of rows on all pages.
        number: Its number.
        count: Number of pages.
        back: Links to the first and the previous page.
        forth: Links to the next and the last page.

    """

    rows: tuple[T, ...]
    first: int
    total: int
    number: int
    count: int
    back: tuple[Link, ...]
    forth: tuple[Link, ...]

    def map(self, show: Callable[[T], R]) -> Page[R]:
        """Return the same page with each row as *show* returns it."""
        rows = tuple(map(show, self.rows))
        return Page(rows, self.first, self.total, self.number, self.count, self.back, self.forth)


def build_page(rows: Sequence[T], number: int, url: Callable[[int], str]) -> Page[T]:
    """Return a page of *rows*.

    Args:
        rows: The rows of all pages.
        number: Number of the page. One after the last is the last one.
        url: Returns the address of a page.

    """
    count = max(1, -(-len(rows) // SIZE))
    number = min(number, count)
    begin = (number - 1) * SIZE
    back = (Link("First", url(1)), Link("Previous", url(number - 1))) if number > 1 else ()
    is_last = number == count
    forth = () if is_last else (Link("Next", url(number + 1)), Link("Last", url(count)))
    part = tuple(rows[begin : begin + SIZE])
    return Page(part, begin + 1 if part else 0, len(rows), number, count, back, forth)
