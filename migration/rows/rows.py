"""Rows of a table as they were read, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeAlias

#: A key, each column as text.
Key: TypeAlias = Sequence[str]
#: Types whose equal values are the same.
_EXACT: Final = frozenset({str, bytes, NoneType})


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a migrated table.

    *versions* has the ``xmin`` of each row, as text, which is another one after each change.
    """

    keys: Sequence[Key]
    versions: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    def choose(self, positions: Iterable[int]) -> Rows:
        """Return the rows at *positions*."""
        chosen = list(positions)
        columns = {name: [values[at] for at in chosen] for name, values in self.columns.items()}
        keys = [self.keys[at] for at in chosen]
        return Rows(keys, [self.versions[at] for at in chosen], columns)

    def __len__(self) -> int:
        return len(self.versions)


@dataclass(frozen=True, slots=True)
class OpenedRows:
    """Rows and what their tokens decrypt to."""

    rows: Rows
    values: Rows
    failed: frozenset[int]

    def choose(self, positions: Iterable[int]) -> OpenedRows:
        """Return the rows at *positions*."""
        chosen = list(positions)
        failed = frozenset(at for at, position in enumerate(chosen) if position in self.failed)
        return OpenedRows(self.rows.choose(chosen), self.values.choose(chosen), failed)


def find_differences(ones: Sequence[Any], others: Sequence[Any]) -> list[bool]:
    """Return whether two columns differ, for each row. See :func:`is_same`.

    Columns mostly are equal and of text, and a comparison of both takes a tenth of the time.
    """
    if _EXACT.issuperset(map(type, ones)) and list(ones) == list(others):
        return [False] * len(ones)
    return [not is_same(one, other) for one, other in zip(ones, others, strict=True)]


def is_same(one: object, other: object) -> bool:
    """Return whether two values are equal, and not only in Python, where 1 and True are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other
