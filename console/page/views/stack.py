"""Bars of series beside each other, as long as their part of the longest row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """The bar of one series. Start and length are of 100.

    Attributes:
        series: Class of its colour.
        count: Number that it stands for.
        href: Address of what it counts, empty for none.

    """

    series: str
    count: int
    start: float
    length: float
    href: str = ""


def build_stack(counts: Iterable[tuple[str, int]], top: int) -> tuple[Part, ...]:
    """Return the bars of one row.

    Args:
        counts: Series and number of each bar.
        top: Sum of the longest row, 0 if all rows are empty.

    """
    found, start = [], 0.0
    for series, count in counts:
        length = 100 * count / top if top else 0.0
        found.append(Part(series, count, start, length))
        start += length
    return tuple(found)
