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
