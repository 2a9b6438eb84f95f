"""Kinds of cells of a table. The terminal shows the text of each, a page its look.

A cell is also a text, a number, a time, None for an empty one, or some of them beside each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

#: Values of a list that a cell names.
MAX_LISTED: Final = 6
#: Colours of a state, each with a word beside it.
GOOD, WARN, BAD, PLAIN = "good", "warn", "bad", "plain"
#: Text of a number that is not known.
UNKNOWN: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link."""

    label: str
    href: str
    is_current: bool = False

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a colour."""

    text: str
    tone: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Mark:
    """A word after a square of its colour."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Note:
    """A cell in another colour, by default a muted one."""

    cell: Cell
    tone: str = "note"

    def __str__(self) -> str:
        return to_text(self.cell)


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars beside each other, and lines across them. All places are of 100."""

    parts: tuple[tuple[str, float, float], ...]
    marks: tuple[tuple[str, float], ...] = ()
    label: str = ""

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True)
class Diff:
    """Lines of a change. ``  +`` begins a new one, and ``  -`` an old one."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


Cell: TypeAlias = (
    "str | int | datetime | Link | Badge | Mark | Note | Bars | Diff | tuple[Cell, ...] | None"
)


def to_text(cell: Cell) -> str:
    """Return *cell* as a text."""
    if isinstance(cell, tuple):
        return " ".join(map(to_text, cell))
    if isinstance(cell, datetime):
        return show_time(cell.isoformat())
    if isinstance(cell, int):
        return f"{cell:,}"
    return "" if cell is None else str(cell)


def stack(counts: Iterable[tuple[str, int]], top: int) -> Bars:
    """Return the bars of series beside each other, as long as their part of the longest row."""
    parts, start = [], 0.0
    for series, count in counts:
        length = 100 * count / top if top else 0.0
        parts.append((series, start, length))
        start += length
    return Bars(tuple(parts))


def show_time(text: str | None) -> str:
    """Return a time of a document such as ``2026-05-01 12:00:00Z``."""
    return "" if text is None else f"{text[:19].replace('T', ' ')}Z"


def shorten(values: Sequence[object]) -> str:
    """Return *values* as text, consecutive numbers as a range, and the first ones of many."""
    if values and all(type(each) is int for each in values):
        first, last = values[0], values[-1]
        if len(values) > 2 and int(str(last)) - int(str(first)) == len(values) - 1:  # noqa: PLR2004
            return f"{first}\N{EN DASH}{last}"
    shown = ", ".join(str(each) for each in values[:MAX_LISTED])
    more = len(values) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
