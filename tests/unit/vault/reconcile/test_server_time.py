"""Times of the server, which have up to nine decimals and an offset, and of documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from vault.reconcile.server_time import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-27T21:01:03Z", datetime(2026, 11, 27, 21, 1, 3, tzinfo=UTC)),
        ("2026-11-27T21:01:03.5Z", datetime(2026, 11, 27, 21, 1, 3, 500_000, tzinfo=UTC)),
        ("2026-11-27T21:01:03.57532278Z", datetime(2026, 11, 27, 21, 1, 3, 575_322, tzinfo=UTC)),
        ("2026-11-27T21:01:03.410273215Z", datetime(2026, 11, 27, 21, 1, 3, 410_273, tzinfo=UTC)),
        ("2026-11-27T22:01:03+01:00", datetime(2026, 11, 27, 21, 1, 3, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_time_of_the_server_is_parsed(text: str, time: datetime | None) -> None:
    assert parse_time(text) == time


@pytest.mark.parametrize("text", ["", "2026-11-27T21:01:03", "soon"])
def test_time_without_an_offset_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"offset|Invalid"):
        parse_time(text)


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=2))])
def test_time_is_formatted_in_utc(zone: timezone | None) -> None:
    hour = 14 if zone not in (None, UTC) else 12
    time = datetime(2026, 5, 1, hour, 0, 0, 999_999, tzinfo=zone)
    assert format_time(time) == "2026-05-01T12:00:00Z"


def test_no_time_has_no_text() -> None:
    assert format_time(None) is None
