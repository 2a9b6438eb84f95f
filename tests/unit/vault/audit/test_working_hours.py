"""Findings outside of working hours: one for each actor and night, or free day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vault.audit.anomalies.detection import merge_outside
from vault.audit.anomalies.finding import Evidence, Finding
from vault.audit.anomalies.rules_reader import built_in
from vault.declare.schema.anomalies import OutOfHours

SHOWN: Final = 2
HOURS: Final = {"time_zone": "Europe/Berlin", "begin": "08:00", "end": "18:00"}


def rule() -> OutOfHours:
    found = built_in().rules.out_of_hours.model_copy(update=HOURS)
    assert isinstance(found, OutOfHours)
    return found


def quarter(time: str, actor: str = "ann", host: str | None = None) -> Finding:
    """Return three requests of the quarter of an hour that begins at *time*, in UTC."""
    slot = datetime.fromisoformat(time)
    times = [slot + timedelta(minutes=minutes) for minutes in (1, 2, 3)]
    return Finding(
        rule="out_of_hours",
        severity="low",
        actor=actor,
        is_person=True,
        host=host,
        subject="",
        slot=slot,
        first=times[0],
        last=times[-1],
        count=len(times),
        usual=None,
        evidence=tuple(Evidence(each, None, "read", "secret/a", None) for each in times),
    )


def merge(*quarters: Finding) -> list[Finding]:
    return [*merge_outside(rule(), quarters, SHOWN)]


def test_requests_of_a_night_are_one_finding_from_the_end_of_work_on() -> None:
    # Of Tuesday to Wednesday: 23:00 and 04:15 in Berlin.
    found = merge(quarter("2026-06-17 02:15"), quarter("2026-06-16 21:00"))
    assert len(found) == 1
    assert found[0].slot == datetime.fromisoformat("2026-06-16 16:00")  # 18:00 in Berlin
    assert found[0].first == datetime.fromisoformat("2026-06-16 21:01")
    assert found[0].last == datetime.fromisoformat("2026-06-17 02:18")
    assert found[0].count == 6
    shown = [each.time for each in found[0].evidence]
    assert shown == [datetime.fromisoformat(f"2026-06-16 21:0{minute}") for minute in (1, 2)]


def test_each_night_and_free_day_is_a_finding() -> None:
    nights = ["2026-06-15 21:00", "2026-06-16 21:00"]
    saturday = ["2026-06-20 09:00", "2026-06-20 12:00"]
    sunday = ["2026-06-20 20:00", "2026-06-21 09:00"]  # from the end of Saturday's hours on
    found = merge(*map(quarter, [*nights, *saturday, *sunday]))
    assert [each.count for each in found] == [3, 3, 6, 6]
    assert len({each.id for each in found}) == 4


def test_requests_in_working_hours_are_no_finding() -> None:
    assert merge(quarter("2026-06-16 06:00"), quarter("2026-06-16 15:45")) == []


def test_actors_and_their_hosts_are_apart() -> None:
    night = "2026-06-16 21:00"
    found = merge(quarter(night), quarter(night, "bob"), quarter(night, "bob", "web-1"))
    assert [(each.actor, each.host) for each in found] == [
        ("ann", None),
        ("bob", None),
        ("bob", "web-1"),
    ]


def test_night_when_the_clocks_change_is_one() -> None:
    # 18:00 in summer time is 16:00 in UTC; the night ends in winter time.
    found = merge(quarter("2026-10-24 20:00"), quarter("2026-10-25 04:00"))
    assert [each.slot for each in found] == [datetime.fromisoformat("2026-10-24 16:00")]
