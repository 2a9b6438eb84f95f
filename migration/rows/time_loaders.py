"""Loaders of dates and times, because PostgreSQL has more than Python."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from psycopg import DataError
from psycopg.abc import Buffer, Loader
from psycopg.types.datetime import DateBinaryLoader, TimestampBinaryLoader, TimestamptzBinaryLoader


class TimeOutOfRange:
    """A date or time before year 1 or after year 9999, such as ``infinity``."""


class _Lenient:
    """Mixin of a loader that returns a value for what Python lacks, where the driver raises."""

    def load(self, data: Buffer) -> date | datetime | TimeOutOfRange:
        try:
            found: date | datetime = super().load(data)  # type: ignore[misc] # of the loader
        except DataError:
            return TimeOutOfRange()
        return found


class _DateLoader(_Lenient, DateBinaryLoader):  # type: ignore[misc] # it returns more
    pass


class _TimestampLoader(_Lenient, TimestampBinaryLoader):  # type: ignore[misc] # as above
    pass


class _TimestamptzLoader(_Lenient, TimestamptzBinaryLoader):  # type: ignore[misc] # as above
    pass


#: Binary loaders by the type's name. No token has a :class:`TimeOutOfRange`, so that such a value
#: is refused with its row, where the driver's loaders name neither row nor column.
LOADERS: Final[dict[str, type[Loader]]] = {
    "date": _DateLoader,
    "timestamp": _TimestampLoader,
    "timestamptz": _TimestamptzLoader,
}
