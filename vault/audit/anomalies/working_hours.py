"""Working hours of a team, in its time zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from vault.audit.anomalies.finding import Finding
from vault.declare.schema.anomalies import OutOfHours

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def is_outside(rule: OutOfHours, time: datetime) -> bool:
    """Return whether *time*, in UTC without a zone, is outside the declared hours."""
    local = time.replace(tzinfo=UTC).astimezone(ZoneInfo(rule.time_zone))
    clock = f"{local:%H:%M}"
    return _DAYS[local.weekday()] not in rule.days or not rule.begin <= clock < rule.end


def merge_outside(rule: OutOfHours, quarters: Iterable[Finding], shown: int) -> Iterator[Finding]:
    """Yield one finding for each actor and night, or free day, with requests.

    Args:
        rule: The declared hours.
        quarters: Requests of each quarter of an hour. Each zone's offset is a multiple of it.
        shown: Number of requests that a finding shows.

    """
    merged: dict[tuple[object, ...], Finding] = {}
    for each in quarters:
        if not is_outside(rule, each.slot):
            continue
        slot = _start(rule, each.slot)
        key = (each.actor, each.is_person, each.host, slot)
        merged[key] = _add(merged.get(key), replace(each, slot=slot), shown)
    return iter(merged.values())


def _start(rule: OutOfHours, time: datetime) -> datetime:
    """Return the last end of working hours before *time*, as an hour of the day in UTC.

    So the night from one day to the next is one.
    """
    zone = ZoneInfo(rule.time_zone)
    local = time.replace(tzinfo=UTC).astimezone(zone)
    day = local.date() if f"{local:%H:%M}" >= rule.end else local.date() - timedelta(days=1)
    end = timedelta(hours=int(rule.end[:2]), minutes=int(rule.end[3:]))
    start = datetime(day.year, day.month, day.day, tzinfo=zone) + end
    return start.astimezone(UTC).replace(tzinfo=None)


def _add(one: Finding | None, other: Finding, shown: int) -> Finding:
    """Return the finding of the requests of both."""
    if one is None:
        return other
    evidence = sorted([*one.evidence, *other.evidence], key=lambda each: each.time)
    return replace(
        one,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        count=one.count + other.count,
        evidence=tuple(evidence[:shown]),
    )
