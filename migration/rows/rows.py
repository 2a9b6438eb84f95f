"""Rows of a table as they were read, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: A key, each column as text.
Key: TypeAlias = Sequence[str]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a migrated table.

    Attributes:
        keys: The key of each row.
        versions: The ``xmin`` of each row, as text. Each transaction that changes a row writes it
            under another one.
        columns: The values by the name of the column.

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
