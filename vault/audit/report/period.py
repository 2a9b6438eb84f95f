"""Period of a report: from a time, or for so long, until a time. All times are in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app_integration.errors import ConfigurationError
from vault.declare import durations


@dataclass(frozen=True, slots=True)
class Period:
    """A period, in UTC.

    Attributes:
        since: Its start.
        until: Its end, which is not part of it.

    """

    since: datetime
    until: datetime


def parse_period(since: str, until: str | None, now: datetime) -> Period:
    """Return the period between two times that an operator names.

    Args:
        since: A duration before *now* such as ``30d``, or a time.
        until: The same, or None for *now*.
        now: The current time.

    Raises:
        ConfigurationError: If a text is neither, or the period ends before it begins.

    """
    start = _parse("--since", since, now)
    end = now if until is None else _parse("--until", until, now)
    if start >= end:
        raise ConfigurationError(
            f"the period ends at {end:%Y-%m-%d %H:%M:%S}Z, not after it begins at "
            f"{start:%Y-%m-%d %H:%M:%S}Z; use an earlier --since"
        )
    return Period(start, end)


def _parse(option: str, text: str, now: datetime) -> datetime:
    try:
        return now - timedelta(seconds=durations.parse(text))
    except OverflowError:
        raise ConfigurationError(f"{option} {text!r} is too long; use at most 100 years") from None
    except ValueError:
        pass  # because it may be a time
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r} is no duration and no time; use one such as 30d, 2026-05-01 or "
            "2026-05-01T12:00:00Z (in UTC)"
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
