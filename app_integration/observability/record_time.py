"""Time of a log record, as far as its text has one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_STAMP: Final = (
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?"  # ISO 8601, asctime
)
_TIME: Final = re.compile(
    rb'(?:\W{0,2}|.{0,512}?"(?:time|timestamp|asctime|ts)": ?")(' + _STAMP + rb")"
)


def find_time(record: bytes) -> float | None:
    """Return the time of a record in seconds since the epoch, or None if it has none.

    That is a time at the beginning, as ``%(asctime)s`` writes it, or the field ``time`` of a record
    in JSON. A time without a zone counts as UTC.

    Args:
        record: The record.

    """
    found = _TIME.match(record)
    if found is None:
        return None
    try:
        time = datetime.fromisoformat(found[1].decode())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
