"""Loaders of dates and times, of which PostgreSQL has more than Python."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from psycopg import DataError
from psycopg.abc import Buffer, Loader
from psycopg.types.datetime import DateBinaryLoader, TimestampBinaryLoader, TimestamptzBinaryLoader


class TimeOutOfRange:
    """A date or time before year 1 or after year 9999, such as ``infinity``."""


class _DateLoader(DateBinaryLoader):
    def load(self, data: Buffer) -> date | TimeOutOfRange:  # type: ignore[override]
        try:
            return super().load(data)
        except DataError:
            return TimeOutOfRange()


class _TimestampLoader(TimestampBinaryLoader):
    def load(self, data: Buffer) -> datetime | TimeOutOfRange:  # type: ignore[override]
        try:
            return super().load(data)
        except DataError:
            return TimeOutOfRange()


class _TimestamptzLoader(TimestamptzBinaryLoader):
    def load(self, data: Buffer) -> datetime | TimeOutOfRange:  # type: ignore[override]
        try:
            return super().load(data)
        except DataError:
            return TimeOutOfRange()


#: Binary loaders by the type's name. No token has a :class:`TimeOutOfRange`, so that such a value
#: is refused with its row, where the driver's loaders name neither row nor column.
LOADERS: Final[dict[str, type[Loader]]] = {
    "date": _DateLoader,
    "timestamp": _TimestampLoader,
    "timestamptz": _TimestamptzLoader,
}
