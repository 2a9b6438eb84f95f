"""Schedule of a job: the five fields of cron, and the same times as a calendar of systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from app_integration.errors import ConfigurationError
from vault.declare import counts

_WEEKDAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
#: Most days that a month has.
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_QUARTER: Final = 15  # minutes
_PART: Final = re.compile(
    r"\*(?:/(?P<step>[0-9]{1,9}))?|(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?"
)


@dataclass(frozen=True, slots=True)
class Field:
    """Field of cron."""

    name: str
    low: int
    high: int
    note: str = ""

    def parse(self, text: str) -> frozenset[int]:
        """Return the values that *text* selects."""
        return frozenset(value for part in text.split(",") for value in self._parse_part(part))

    def is_all(self, values: frozenset[int]) -> bool:
        """Return whether *values* are all values of the field."""
        return len(values) == self.high - self.low + 1

    def _parse_part(self, part: str) -> range:
        found = _PART.fullmatch(part)
        if found is None:
            raise ConfigurationError(
                f"{self.name}: {part!r} is not a number, a range such as 1-5, * or */n; write one"
            )
        if found["first"] is None:
            step = self._check(int(found["step"] or 1), low=0)
            if step == 0:
                raise ConfigurationError(f"{self.name}: a step is 1 or more; write */1 or *")
            return range(self.low, self.high + 1, step)
        first, last = (self._check(int(found[key] or found["first"])) for key in ("first", "last"))
        if last < first:
            raise ConfigurationError(
                f"{self.name}: the range {part} ends before it begins; write two ranges"
            )
        return range(first, last + 1)

    def _check(self, value: int, low: int | None = None) -> int:
        low = self.low if low is None else low
        if not low <= value <= self.high:
            raise ConfigurationError(
                f"{self.name}: {value} is not in {low} to {self.high}{self.note}; correct it"
            )
        return value


_FIELDS: Final = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12),
    Field("day of week", 0, 6, ", where 0 is Sunday"),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times at which a job runs, in UTC, so that they are the same everywhere."""

    cron: str
    values: tuple[frozenset[int], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the schedule that the five fields of cron in *text* describe."""
        words = text.split()
        try:
            values = _parse_fields(words)
            _check_days(words, values)
        except ConfigurationError as error:
            raise ConfigurationError(f"the schedule {text!r} cannot be used: {error}") from None
        return cls(" ".join(words), values)

    @property
    def is_frequent(self) -> bool:
        """Return whether two runs in an hour are less than a quarter of an hour apart."""
        return any(later - minute < _QUARTER for minute, later in pairwise(sorted(self.values[0])))

    @property
    def calendar(self) -> str:
        """Return the times for ``OnCalendar=``."""
        minutes, hours, days, months, weekdays = self._parts()
        prefix = "" if weekdays == "*" else f"{weekdays} "
        return f"{prefix}*-{months}-{days} {hours}:{minutes}:00 UTC"

    def _parts(self) -> Iterator[str]:
        """Yield each field as a list of systemd."""
        for field, values in zip(_FIELDS, self.values, strict=True):
            if field.is_all(values):
                yield "*"
            elif field is _FIELDS[-1]:
                yield ",".join(_WEEKDAYS[value] for value in sorted(values))
            else:
                yield ",".join(f"{value:02}" for value in sorted(values))


def _parse_fields(words: list[str]) -> tuple[frozenset[int], ...]:
    """Return the values of each field."""
    if len(words) != len(_FIELDS):
        raise ConfigurationError(
            f"it has {counts.render(len(words), 'field')}; write five, such as '30 2 * * *' for "
            "02:30 each day"
        )
    return tuple(field.parse(word) for field, word in zip(_FIELDS, words, strict=True))


def _check_days(words: list[str], values: tuple[frozenset[int], ...]) -> None:
    """Reject days that cron and systemd combine differently, and days that never come."""
    _, _, day_word, _, weekday_word = words
    if day_word != "*" and weekday_word != "*":
        raise ConfigurationError(
            "day of month and day of week are both set; leave one of them as *, because cron runs "
            "on either and systemd on both"
        )
    _, _, days, months, _ = values
    if all(day > _DAYS[month - 1] for day in days for month in months):
        raise ConfigurationError("there is no such day in any of its months; correct one of them")
