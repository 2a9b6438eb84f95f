"""Cells of tables that the terminal and the HTML file show alike.

Names in a log may have any characters, so that each text is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from console.escapes import escape_unprintable

#: Values of a list that a cell names.
MAX_LISTED: Final = 6


class Kind(StrEnum):
    """Kind of a column, by which its cells are aligned and set."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    NAME = "name"
    PATH = "path"
    ADDRESS = "address"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        heading: Its heading.
        kind: The kind of its cells.

    """

    heading: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        id: Its key in the document, which is an anchor.
        title: Its title.
        note: What it shows.
        columns: Its columns.
        rows: The cells of each row, escaped.
        left_out: Number of rows that the document has not.

    """

    id: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


#: A row of the document.
Row = Mapping[str, Any]
#: Heading, kind and content of each column.
Cells = tuple[tuple[str, Kind, Callable[[Row], object]], ...]


def show_time(text: str | None) -> str:
    """Return a time of the document such as ``2026-05-01 12:00:00Z``."""
    return "" if text is None else f"{text[:19].replace('T', ' ')}Z"


def read_text(key: str) -> Callable[[Row], object]:
    """Return a function that returns the value of *key*."""
    return lambda row: row[key]


def read_time(key: str) -> Callable[[Row], object]:
    """Return a function that returns the time of *key*."""
    return lambda row: show_time(row[key])


def read_list(key: str) -> Callable[[Row], object]:
    """Return a function that returns the list of *key* as one text."""
    return lambda row: shorten(row[key])


def shorten(values: Sequence[object]) -> str:
    """Return *values* as text, consecutive numbers as a range, and the first ones of many."""
    if values and all(type(each) is int for each in values):
        first, last = values[0], values[-1]
        if len(values) > 2 and int(str(last)) - int(str(first)) == len(values) - 1:  # noqa: PLR2004
            return f"{first}\N{EN DASH}{last}"
    shown = ", ".join(str(each) for each in values[:MAX_LISTED])
    more = len(values) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def build_table(
    key: str, title: str, note: str, cells: Cells, rows: Iterable[Row], left_out: int = 0
) -> Table:
    """Return a table of rows of the document.

    Args:
        key: Its key in the document.
        title: Its title.
        note: What it shows.
        cells: Its columns.
        rows: The rows.
        left_out: Number of rows that the document has not.

    """
    columns = tuple(Column(heading, kind) for heading, kind, _ in cells)
    shown = tuple(tuple(_show(read(row)) for _, _, read in cells) for row in rows)
    return Table(key, title, note, columns, shown, left_out)


def _show(cell: object) -> str:
    return "" if cell is None else escape_unprintable(str(cell))
