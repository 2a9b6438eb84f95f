"""Periods that an operator names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app_integration.errors import ConfigurationError
from vault.audit.report.period import parse_period

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("1d12h", NOW - timedelta(hours=36)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T06:30:00Z", datetime(2026, 5, 1, 6, 30, tzinfo=UTC)),
        ("2026-05-01T06:30:00", datetime(2026, 5, 1, 6, 30, tzinfo=UTC)),
        ("2026-05-01T06:30:00+02:00", datetime(2026, 5, 1, 4, 30, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_or_a_time_in_utc(text: str, since: datetime) -> None:
    found = parse_period(text, None, NOW)
    assert (found.since, found.until) == (since, NOW)


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("last week", None, "--since 'last week' is no duration and no time"),
        ("30", None, "--since '30' is no duration"),
        ("999999999d", None, "--since '999999999d' is out of range; use a time from 1900 to 2199"),
        ("140000d", None, "--since '140000d' is out of range"),
        ("1677-01-01", None, "--since '1677-01-01' is out of range"),
        ("0001-01-01T00:00:00+12:00", None, "is out of range"),
        ("1d", "9999-12-31T23:00:00-12:00", "--until '9999-12-31T23:00:00-12:00' is out of range"),
        ("1d", "2262-05-01", "--until '2262-05-01' is out of range"),
        ("1d", "2d", "the period ends at 2026-05-29 12:00:00Z, not after it begins"),
        ("1d", "soon", "--until 'soon' is no duration"),
    ],
)
def test_wrong_period_is_refused(since: str, until: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_period(since, until, NOW)
    assert message in str(caught.value)
