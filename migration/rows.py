"""Rows of a table as they were read, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a migrated table.

    Attributes:
        keys: The key of each row, each column as text.
        versions: The ``xmin`` of each row, as text. Each transaction that changes a row writes it
            under another one.
        columns: The values by the name of the column.

    """

    keys: Sequence[Sequence[str]]
    versions: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.versions)
