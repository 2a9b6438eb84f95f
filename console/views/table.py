"""A table, described once. The terminal, the HTML file of a report and the page are its faces.

:func:`console.views.report.show_tables` prints it, and the macro ``table`` of the templates makes
its HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from console.views.cells import Cell, Link, stack

#: Rows of a page.
SIZE: Final = 100

T = TypeVar("T")


class Kind(StrEnum):
    """Kind of a column, which decides how its cells are aligned and set."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    NAME = "name"
    PATH = "path"
    ADDRESS = "address"
    OUTCOME = "outcome"
    STATE = "state"
    BAR = "bar"
    REASON = "reason"
    FIELDS = "fields"
    SIDE = "side"


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    heading: str
    kind: Kind
    href: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages of rows, and the one that is shown."""

    asked: int
    total: int
    url: Callable[[int], str]
    size: int = SIZE
    note: str = ""

    @property
    def count(self) -> int:
        """Return the number of pages."""
        return max(1, -(-self.total // self.size))

    @property
    def number(self) -> int:
        """Return the number of the page that is shown."""
        return min(self.asked, self.count)

    @property
    def first(self) -> int:
        """Return the number of its first row, 0 without rows."""
        return (self.number - 1) * self.size + 1 if self.total else 0

    @property
    def last(self) -> int:
        """Return the number of its last row."""
        return min(self.number * self.size, self.total)

    @property
    def back(self) -> tuple[Link, ...]:
        """Return the links to the first and the previous page."""
        return self._link(("First", 1), ("Previous", self.number - 1)) if self.number > 1 else ()

    @property
    def forth(self) -> tuple[Link, ...]:
        """Return the links to the next and the last page."""
        is_last = self.number == self.count
        return () if is_last else self._link(("Next", self.number + 1), ("Last", self.count))

    def cut(self, rows: Sequence[T]) -> Sequence[T]:
        """Return those of all *rows* that are on the page."""
        return rows[max(0, self.first - 1) : self.last]

    def _link(self, *pages: tuple[str, int]) -> tuple[Link, ...]:
        return tuple(Link(label, self.url(number)) for label, number in pages)


@dataclass(frozen=True, slots=True)
class Table:
    """A table."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    style: str = ""
    pages: Pages | None = None
    id: str = ""
    note: str = ""
    left_out: int = 0


def columns(text: str) -> tuple[Column, ...]:
    """Return the columns that *text* names, such as ``name Secret, number Reads``."""
    pairs = (each.partition(" ") for each in text.split(", "))
    return tuple(Column(heading, Kind(kind)) for kind, _, heading in pairs)


def bar_table(title: str, headings: str, counts: Iterable[tuple[Link | str, int, str]]) -> Table:
    """Return a table of bars, each as long as its part of the largest number."""
    found = list(counts)
    most = max((count for _, count, _ in found), default=0)
    rows = [(name, stack([(series, count)], most), count) for name, count, series in found]
    return Table(title, columns(headings), rows, "bars")
