"""Times that the server writes, and those of JSON documents.

The server writes up to nine decimals, without trailing zeros.
"""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: str) -> datetime | None:
    """Return the time that *text* is, in UTC and cut to microseconds.

    The result is None for Go's zero time, which stands for "never".
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    return None if time.year == 1 else time.astimezone(UTC)


def format_time(time: datetime | None) -> str | None:
    """Return *time* as text such as ``2026-05-01T12:00:00Z``, None if there is none.

    One without a zone is in UTC.
    """
    if time is None:
        return None
    moment = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
