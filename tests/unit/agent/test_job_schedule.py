"""Times of a job: cron's fields, and the same times for systemd."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import pytest

from agent.jobs.schedule import Schedule
from app_integration.errors import ConfigurationError

START: Final = datetime(2027, 1, 30, 11, 59, tzinfo=UTC)
ALL: Final = range(60)
#: Fields of cron → their minutes, hours, days, months, and weekdays from Monday as 1.
TIMES: Final = {
    "30 2 * * *": ([30], [2], ALL, ALL, ALL),
    "*/15 * * * *": ([0, 15, 30, 45], ALL, ALL, ALL, ALL),
    "5,35 8-10 * * *": ([5, 35], [8, 9, 10], ALL, ALL, ALL),
    "0 */7 * * *": ([0], [0, 7, 14, 21], ALL, ALL, ALL),
    "0 0 */10 * *": ([0], [0], [1, 11, 21, 31], ALL, ALL),
    "0 0 31 * *": ([0], [0], [31], ALL, ALL),
    "0 0 29 2 *": ([0], [0], [29], [2], ALL),
    "0 3 1-7 1,7 *": ([0], [3], range(1, 8), [1, 7], ALL),
    "0 3 * * 0": ([0], [3], ALL, ALL, [7]),
    "0 3 * * 1-5": ([0], [3], ALL, ALL, range(1, 6)),
    "10-12,20 1 * */6 2,4": ([10, 11, 12, 20], [1], ALL, [1, 7], [2, 4]),
    "59 23 * * */1": ([59], [23], ALL, ALL, ALL),
}


def expected(cron: str) -> Iterator[str]:
    """Yield the times after START, by the second column of TIMES."""
    minutes, hours, days, months, weekdays = TIMES[cron]
    day = START.replace(hour=0, minute=0)
    while True:
        if day.day in days and day.month in months and day.isoweekday() in weekdays:
            for hour in sorted(set(hours) & set(range(24))):
                for minute in minutes:
                    found = day.replace(hour=hour, minute=minute)
                    if found > START:
                        yield found.strftime("%a %Y-%m-%d %H:%M:00 UTC")
        day += timedelta(days=1)


@pytest.mark.requires("systemd")
@pytest.mark.parametrize("cron", TIMES)
def test_schedule_for_systemd_elapses_when_cron_would_run(cron: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    schedule = Schedule.parse(cron)
    done = subprocess.run(
        [program, "calendar", "--iterations=4", "--base-time=2027-01-30 11:59", schedule.calendar],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC"},
    )
    found = re.findall(r"(?:Next elapse|Iteration #\d+): (.+)", done.stdout)
    assert found == list(islice(expected(cron), 4))
    assert done.stderr == ""


def test_schedule_for_cron_has_single_spaces() -> None:
    assert Schedule.parse(" 0  3\t* * 1-5 ").cron == "0 3 * * 1-5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields; write five"),
        ("@daily", "has 1 field; write five"),
        ("0 3 * * * *", "has 6 fields; write five"),
        ("60 3 * * *", "minute: 60 is not in 0 to 59"),
        ("0 24 * * *", "hour: 24 is not in 0 to 23"),
        ("0 3 0 * *", "day of month: 0 is not in 1 to 31"),
        ("0 3 * 13 *", "month: 13 is not in 1 to 12"),
        ("0 3 * * 7", "day of week: 7 is not in 0 to 6, where 0 is Sunday"),
        ("0 3 * * MON", "day of week: 'MON' is not a number"),
        ("0 3 * JAN *", "month: 'JAN' is not a number"),
        ("0 3 L * *", "day of month: 'L' is not a number"),
        ("5/10 * * * *", "minute: '5/10' is not a number"),
        ("1-30/2 * * * *", "minute: '1-30/2' is not a number"),
        ("*/0 * * * *", "minute: a step is 1 or more"),
        ("*/60 * * * *", "minute: 60 is not in 0 to 59"),
        (f"{'9' * 5000} * * * *", "minute: '9+' is not a number"),
        ("30-10 * * * *", "minute: the range 30-10 ends before it begins"),
        ("1,,2 * * * *", "minute: '' is not a number"),
        ("-1 * * * *", "minute: '-1' is not a number"),
        ("٣ * * * *", "minute: '٣' is not a number"),
        ("0 3 1 * 1", "day of month and day of week are both set; leave one of them as"),
        ("0 3 */2 * 1", "day of month and day of week are both set"),
        ("0 3 30 2 *", "no such day in any of its months"),
        ("0 3 31 2,4,6 *", "no such day in any of its months"),
        ("0 3 * *\n*; *", "day of week: '\\*;' is not a number|has 6 fields"),
    ],
)
def test_schedule_that_cannot_be_translated_is_rejected(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Schedule.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", True),
        ("*/5 1 * * *", True),
        ("0,14 * * * *", True),
        ("*/15 * * * *", False),
        ("10 * * * *", False),
    ],
)
def test_schedule_with_runs_less_than_a_quarter_apart_is_frequent(
    cron: str, expected: bool
) -> None:
    assert Schedule.parse(cron).is_frequent is expected
