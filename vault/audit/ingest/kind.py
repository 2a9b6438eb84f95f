"""Kinds of logs: lines of the server's audit devices, and access records of the SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vault.audit.event_columns import DATA_NAMES, JSON_COLUMNS, select_lines
from vault.audit.ingest.column_type import parse_type
from vault.audit.store import FOLDERS, RECORD_COLUMNS


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of log.

    Attributes:
        folder: Folder of its Parquet files in the store.
        json_columns: Fields of a line, as DuckDB reads them.
        select: Returns a query of all columns over a table with the fields.
        texts: Fields that a line must have, as texts. They are columns of the same name.
        data: Part of a line → the names in its data that columns read.

    """

    folder: str
    json_columns: Mapping[str, str]
    select: Callable[[str], str]
    texts: tuple[str, ...]
    data: Mapping[str, tuple[str, ...]]

    def has_types(self, document: Mapping[str, Any]) -> bool:
        """Return whether the fields of a decoded line have the types that they must have."""
        return all(isinstance(document.get(name), str) for name in self.texts) and all(
            parse_type(kind).fits(document.get(name)) for name, kind in self.json_columns.items()
        )

    def reduce(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what columns read of a decoded line whose fields have the right types."""
        found = {
            name: parse_type(kind).reduce(document.get(name))
            for name, kind in self.json_columns.items()
        }
        for part, names in self.data.items():
            data = (found[part] or {}).get("data")
            if isinstance(data, Mapping):
                found[part]["data"] = {name: data[name] for name in names if name in data}
        return found


def _select_records(source: str) -> str:
    """Return a query of all columns of the access records that *source* reads."""
    # A cast to TIMESTAMP would ignore the offset.
    time = "make_timestamp(epoch_us(CAST(time AS TIMESTAMPTZ))) AS time"
    others = (
        f"TRY_CAST({name} AS {kind}) AS {name}"
        for name, kind in RECORD_COLUMNS.items()
        if name != "time"
    )
    columns = ", ".join([time, *others])
    return f"SELECT {columns} FROM {source}"


LINES: Final = Kind(
    FOLDERS["lines"],
    JSON_COLUMNS,
    select_lines,
    ("time", "type"),
    DATA_NAMES,
)
RECORDS: Final = Kind(
    FOLDERS["records"],
    dict.fromkeys(RECORD_COLUMNS, "VARCHAR"),
    _select_records,
    ("time", "operation"),
    {},
)
