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


def build_page(
    rows: Sequence[T], number: int, url: Callable[[int], str], size: int = SIZE
) -> Page[T]:
    """Return a page of *rows*.

    Args:
        rows: The rows of all pages.
        number: Number of the page. One after the last is the last one.
        url: Returns the address of a page.
        size: Rows of a page.

    """
    begin = (min(number, _count(len(rows), size)) - 1) * size
    return place_page(rows[begin : begin + size], len(rows), number, url, size)


def place_page(
    part: Sequence[T], total: int, number: int, url: Callable[[int], str], size: int = SIZE
) -> Page[T]:
    """Return the page whose rows are *part*, which a store has selected.

    Args:
        part: The rows of the page.
        total: Number of rows on all pages.
        number: Number of the page. One after the last is the last one.
        url: Returns the address of a page.
        size: Rows of a page.

    """
    count = _count(total, size)
    number = min(number, count)
    back = (Link("First", url(1)), Link("Previous", url(number - 1))) if number > 1 else ()
    is_last = number == count
    forth = () if is_last else (Link("Next", url(number + 1)), Link("Last", url(count)))
    first = (number - 1) * size + 1 if total else 0
    return Page(tuple(part), first, total, number, count, back, forth)


def _count(total: int, size: int) -> int:
    return max(1, -(-total // size))
