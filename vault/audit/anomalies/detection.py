"""Detection: the findings of rules in the table ``requests``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from vault.audit.anomalies.finding import Evidence, Finding
from vault.audit.anomalies.queries import COLUMNS, QUERIES, SHOWN, RuleContext
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules_reader import NAMES, rule_of
from vault.declare.schema.anomalies import (
    AnomalyRules,
    FirstTime,
    NewAddress,
    OutOfHours,
    Rule,
    RuleName,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def is_outside(rule: OutOfHours, time: datetime) -> bool:
    """Return whether *time*, in UTC without a zone, is outside the declared hours."""
    local = time.replace(tzinfo=UTC).astimezone(ZoneInfo(rule.time_zone))
    clock = f"{local:%H:%M}"
    return _DAYS[local.weekday()] not in rule.days or not rule.begin <= clock < rule.end


def merge_outside(rule: OutOfHours, quarters: Iterable[Finding], shown: int) -> Iterator[Finding]:
    """Yield one finding for each actor and night, or free day, with requests.

    *quarters* are of an hour, because each zone's offset is a multiple of that.
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


def find_anomalies(
    connection: DuckDBPyConnection, context: RuleContext, since: datetime
) -> list[Finding]:
    """Return the findings of all enabled rules at or after *since*, by their time.

    *since* is in UTC, without a zone. Earlier requests count as history.
    """
    found = [
        finding
        for name in NAMES
        if rule_of(context.rules, name).enabled
        for finding in find_by_rule(connection, context, name, since)
    ]
    return sorted(found, key=lambda each: (each.first, each.rule, each.actor))


def find_by_rule(
    connection: DuckDBPyConnection, context: RuleContext, name: RuleName, since: datetime
) -> list[Finding]:
    """Return the findings of one rule, enabled or not. See :func:`find_anomalies`."""
    rule = rule_of(context.rules, name)
    columns = ", ".join(f'"{each}"' for each in COLUMNS)
    # What is new counts when it was new, however often it came again.
    time = "first" if isinstance(rule, FirstTime | NewAddress) else "last"
    query = f"SELECT {columns} FROM ({QUERIES[name](context)}) WHERE {time} >= $since"
    rows = connection.execute(query, {"since": since}).fetchall()
    found = (_finding(name, rule, dict(zip(COLUMNS, row, strict=True))) for row in rows)
    return list(_decide(rule, found))


def find_learning(rules: AnomalyRules, span: Span) -> list[RuleName]:
    """Return the enabled rules that cannot find anything yet, because the log is too short."""
    if span.first is None or span.last is None:
        return []
    needed: dict[RuleName, timedelta] = {
        "first_time": timedelta(seconds=rules.rules.first_time.learning),
        "new_address": timedelta(seconds=rules.rules.new_address.learning),
        "burst": timedelta(hours=rules.rules.burst.hours),
    }
    length = span.last - span.first
    return [name for name, time in needed.items() if rule_of(rules, name).enabled and length < time]


def _decide(rule: Rule, found: Iterable[Finding]) -> Iterator[Finding]:
    """Return those of *found* that are findings by what SQL does not decide."""
    if isinstance(rule, OutOfHours):
        return merge_outside(rule, found, SHOWN)
    if isinstance(rule, NewAddress):
        return (each for each in found if not _is_known(rule, each.subject))
    return iter(found)


def _is_known(rule: NewAddress, address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(each) for each in rule.known)


def _finding(name: str, rule: Rule, row: dict[str, Any]) -> Finding:
    evidence = tuple(Evidence(**each) for each in row.pop("evidence") if each is not None)
    return Finding(name, rule.severity, **row, evidence=evidence)
