"""Times and durations as the page shows them. All are in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.views.ledger import format_age


def show_date(time: datetime | None) -> str:
    """Return *time* such as ``2026-05-01 12:00Z``, empty if there is none."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}Z"


def show_distance(time: datetime, now: datetime) -> str:
    """Return how far *time* is from *now*, such as ``in 3d`` or ``3d ago``."""
    seconds = int((time - now).total_seconds())
    return f"in {format_age(seconds)}" if seconds >= 0 else f"{format_age(-seconds)} ago"


def show_seconds(age: timedelta) -> str:
    """Return a short time such as ``4 s`` or ``2m``."""
    seconds = max(0, int(age.total_seconds()))
    return f"{seconds} s" if seconds < 60 else format_age(seconds)  # noqa: PLR2004 (a minute)
