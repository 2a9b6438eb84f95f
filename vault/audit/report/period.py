"""Period of a report: from a time, or for so long, until a time. All times are in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app_integration.errors import ConfigurationError
from vault.declare import durations

#: The store has times in nanoseconds, from 1677 to 2262.
_YEARS: Final = range(1900, 2200)


@dataclass(frozen=True, slots=True)
class Period:
    """A period, in UTC. Its end *until* is not part of it."""

    since: datetime
    until: datetime


def parse_period(since: str, until: str | None, now: datetime) -> Period:
    """Return the period between two times that an operator names."""
    start = _parse("--since", since, now)
    end = now if until is None else _parse("--until", until, now)
    if start >= end:
        raise ConfigurationError(
            f"the period ends at {end:%Y-%m-%d %H:%M:%S}Z, not after it begins at "
            f"{start:%Y-%m-%d %H:%M:%S}Z; use an earlier --since"
        )
    return Period(start, end)


def _parse(option: str, text: str, now: datetime) -> datetime:
    time: datetime | None
    try:
        time = _read(text, now)
    except OverflowError:
        time = None
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r} is no duration and no time; use one such as 30d, 2026-05-01 or "
            "2026-05-01T12:00:00Z (in UTC)"
        ) from None
    if time is None or time.year not in _YEARS:
        raise ConfigurationError(
            f"{option} {text!r} is out of range; use a time from {_YEARS.start} to {_YEARS[-1]}"
        )
    return time


def _read(text: str, now: datetime) -> datetime:
    """Return the time that *text* is, or that is so long before *now*."""
    try:
        return now - timedelta(seconds=durations.parse(text))
    except ValueError:
        pass  # because it may be a time
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
