"""Cells of a table, by the headings of its columns."""

from __future__ import annotations

from console.views.cells import Cell, to_text
from console.views.table import Table


def column(table: Table, heading: str) -> list[Cell]:
    """Return the cells of the column *heading*, without rows of a single cell."""
    headings = [each.heading for each in table.columns]
    return [row[headings.index(heading)] for row in table.rows if len(row) > 1]


def texts(table: Table, *headings: str) -> list[tuple[str, ...]]:
    """Return the texts of the columns *headings* of each row, as the terminal shows them."""
    return list(zip(*(map(to_text, column(table, each)) for each in headings), strict=True))
