"""Rotation periods where none is declared, and due dates. All times are UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vault.declare import durations
from vault.declare.schema.adopted_secret import ROTATE_EVERY

#: Rotation period in seconds of what declares none.
DEFAULT_EVERY: Final = 90 * durations.DAY
#: Rotation period in seconds of a database user that declares none.
DATABASE_EVERY: Final = ROTATE_EVERY


def due_date(created: datetime, every: int | None, expires: datetime | None) -> datetime | None:
    """Return when a value must be rotated at the latest, None if never."""
    dates = [expires] if expires is not None else []
    if every is not None:
        dates.append(created + timedelta(seconds=every))
    return min(dates, default=None)


def is_overdue(due: datetime | None, now: datetime) -> bool:
    """Return whether *now* is after the due date *due*, which is None if there is none."""
    return due is not None and now > due


def age_seconds(created: datetime, now: datetime) -> int:
    """Return the whole seconds since *created*, 0 if the server's clock is ahead of this one."""
    return max(0, int((now - created).total_seconds()))
