"""Times that the server writes: with up to nine decimals, of which trailing zeros are cut."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: str) -> datetime | None:
    """Return the time that *text* is, in UTC and cut to microseconds.

    The result is None for Go's zero time, which stands for "never".

    Raises:
        ValueError: If *text* is no time with an offset.

    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    return None if time.year == 1 else time.astimezone(UTC)
