"""Due dates: periods, expiry, and times around a change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from vault.declare import durations
from vault.rotation.due import (
    DATABASE_EVERY,
    DEFAULT_EVERY,
    age_seconds,
    due_date,
    is_overdue,
)

CREATED = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = 3600


def test_default_periods_are_90_and_30_days() -> None:
    assert (DEFAULT_EVERY, DATABASE_EVERY) == (90 * durations.DAY, 30 * durations.DAY)


@pytest.mark.parametrize(
    ("every", "expires", "due"),
    [
        (None, None, None),
        (HOUR, None, datetime(2026, 3, 1, 13, tzinfo=UTC)),
        # Europe's and America's clocks change within these 90 days, and UTC does not.
        (90 * durations.DAY, None, datetime(2026, 5, 30, 12, tzinfo=UTC)),
        (None, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (HOUR, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 1, 13, tzinfo=UTC)),
        (90 * durations.DAY, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_due_date_is_the_earlier_of_period_and_expiry(
    every: int | None, expires: datetime | None, due: datetime | None
) -> None:
    assert due_date(CREATED, every, expires) == due


@pytest.mark.parametrize(("late", "overdue"), [(-1, False), (0, False), (1, True)])
def test_value_is_overdue_after_its_due_date(late: int, overdue: bool) -> None:
    assert is_overdue(CREATED, CREATED + timedelta(seconds=late)) is overdue
    assert not is_overdue(None, CREATED)


@pytest.mark.parametrize(("seconds", "age"), [(0, 0), (1.9, 1), (-5, 0), (86_400, 86_400)])
def test_age_is_whole_seconds_and_never_negative(seconds: float, age: int) -> None:
    assert age_seconds(CREATED, CREATED + timedelta(seconds=seconds)) == age


def test_age_across_zones_is_the_time_that_passed() -> None:
    now = datetime(2026, 3, 1, 15, tzinfo=timezone(timedelta(hours=2)))
    assert age_seconds(CREATED, now) == HOUR
