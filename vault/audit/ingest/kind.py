"""Kinds of logs: lines of the server's audit devices, and access records of the SDK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vault.audit import event_columns
from vault.audit.line import Grammar, select_time
from vault.audit.store import FOLDERS, RECORD_COLUMNS


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of log."""

    folder: str
    grammar: Grammar
    select: Callable[[str], str]


def _select_records(source: str) -> str:
    """Return a query of all columns of the access records that *source* reads."""
    others = (
        f"TRY_CAST({name} AS {kind}) AS {name}"
        for name, kind in RECORD_COLUMNS.items()
        if name != "time"
    )
    columns = [f"{select_time('time')} AS time", *others]
    return f"SELECT {', '.join(columns)} FROM {source}"


LINES: Final = Kind(FOLDERS["lines"], event_columns.LINES, event_columns.select_lines)
RECORDS: Final = Kind(
    FOLDERS["records"],
    Grammar(dict.fromkeys(RECORD_COLUMNS, str), ("time", "operation")),
    _select_records,
)
