"""Printing of aligned columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console


def print_columns(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* with aligned columns. A table of rich would shorten some."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line = "  ".join(cells).rstrip()
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
