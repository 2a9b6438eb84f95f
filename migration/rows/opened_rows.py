"""Rows of a table with the values of their tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migration.rows.rows import Rows


@dataclass(frozen=True, slots=True)
class OpenedRows:
    """Rows and what their tokens decrypt to.

    Attributes:
        rows: The rows as they were read.
        values: The same rows with the values of tokens in place of the old columns'.
        failed: Positions of those that have a token that does not open, or an old value without a
            token.

    """

    rows: Rows
    values: Rows
    failed: frozenset[int]

    def choose(self, positions: Iterable[int]) -> OpenedRows:
        """Return the rows at *positions*."""
        chosen = list(positions)
        failed = frozenset(at for at, position in enumerate(chosen) if position in self.failed)
        return OpenedRows(self.rows.choose(chosen), self.values.choose(chosen), failed)


def is_same(one: object, other: object) -> bool:
    """Return whether two values are equal, and not only in Python, where 1 and True are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other
