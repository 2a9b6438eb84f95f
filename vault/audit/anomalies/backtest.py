"""Backtest: what each rule would have raised on a log, at its threshold and at others.

It states counts of findings. Which of them were attacks is not known, so that no recall follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from vault.audit.anomalies.detection import find_by_rule
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.queries import RuleContext
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules_reader import NAMES, rule_of, with_threshold
from vault.declare.schema.anomalies import RuleName

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Name of a rule → the key of its threshold. The others have no number that makes sense to vary.
THRESHOLDS: Final[dict[RuleName, str]] = {
    "first_time": "learning",
    "new_address": "learning",
    "burst": "factor",
    "denied_spike": "count",
    "enumeration": "paths",
}
#: Actors that a trial names, those with the most findings.
_SHOWN: Final = 3
_WEEK: Final = timedelta(weeks=1)
_LEAST: Final = {"burst": 2}


@dataclass(frozen=True, slots=True)
class Trial:
    """What one rule raises at one threshold."""

    rule: RuleName
    key: str | None
    value: int | None
    is_current: bool
    is_enabled: bool
    findings: int
    per_week: float
    busiest_day: int
    actors: tuple[tuple[str, int], ...]


def backtest(
    connection: DuckDBPyConnection, context: RuleContext, span: Span, since: datetime
) -> Iterator[Trial]:
    """Yield the trials of each rule, by the value of the threshold.

    *since* is in UTC, without a zone. Earlier requests count as history.
    """
    weeks = _weeks(span, since)
    for name in NAMES:
        key = THRESHOLDS.get(name)
        current = getattr(rule_of(context.rules, name), key) if key else None
        for value in _values(name, current):
            varied = context
            if key is not None and value is not None:
                varied = replace(context, rules=with_threshold(context.rules, name, key, value))
            found = find_by_rule(connection, varied, name, since)
            yield _trial(context, name, key, value, value == current, found, weeks)


def _values(name: str, current: int | None) -> Sequence[int | None]:
    """Return half of the threshold, the threshold, and its double."""
    if current is None:
        return (None,)
    return sorted({max(current // 2, _LEAST.get(name, 1)), current, current * 2})


def _weeks(span: Span, since: datetime) -> float:
    """Return the weeks of the log after *since*, at least a day of them."""
    if span.first is None or span.last is None:
        return 1.0
    return max(span.last - max(span.first, since), timedelta(days=1)) / _WEEK


def _trial(
    context: RuleContext,
    name: RuleName,
    key: str | None,
    value: int | None,
    is_current: bool,
    found: Sequence[Finding],
    weeks: float,
) -> Trial:
    actors = Counter(each.actor for each in found)
    days = Counter(each.first.date() for each in found)
    return Trial(
        name,
        key,
        value,
        is_current,
        rule_of(context.rules, name).enabled,
        len(found),
        len(found) / weeks,
        max(days.values(), default=0),
        tuple(sorted(actors.items(), key=lambda each: (-each[1], each[0]))[:_SHOWN]),
    )
