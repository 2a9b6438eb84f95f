"""Queries for the figures of one colour, in PromQL. Pure functions.

A counter is compared with its value at the begin of the window. So the first failure counts even if
its series was born with it, for which ``increase`` is 0, and two samples need not be in the window.
"""

from __future__ import annotations

from typing import Final

from app_integration.names import Scope
from vault.declare.schema.rollout import RolloutRules

_ACCESSES: Final = "strongroom_secret_access_total"
#: Outcomes of an access after which the caller has a value. See the access record.
_SERVED: Final = "hit|miss|stale|change|default"
_START: Final = "process_start_time_seconds"


def find_targets(matchers: str, scope: Scope, colour: str) -> str:
    """Return the label matchers of the targets of one colour."""
    values = {"service": scope.service, "environment": scope.environment, "colour": colour}
    for name, value in values.items():
        matchers = matchers.replace(f"{{{name}}}", value)
    return matchers


def build_queries(
    rules: RolloutRules, targets: str, window: float, baseline: float
) -> dict[str, str]:
    """Return the queries of one colour, by the name of the figure.

    *window* and *baseline* are seconds before now, the latter for the latency.
    """
    triggers = rules.triggers
    counter, histogram = triggers.database_failures.counter, triggers.latency.histogram
    failed = select(_ACCESSES, f'outcome!~"{_SERVED}",{targets}')
    time, start, up = _render(window), select(_START, targets), select("up", targets)
    restarted = f"last_over_time({start}[{time}]) != {start} offset {time}"
    queries = {
        "targets": f"count({up})",
        "crashed": f"({restarted}) or (min_over_time({up}[{time}]) == 0)",
        "accesses": _grown(select(_ACCESSES, targets), window),
        "failed_accesses": _grown(failed, window),
        "has_counter": f"count({select(counter.partition('{')[0], targets)})",
        "database_failures": _grown(select(counter, targets), window),
        "requests": _grown(select(_part(histogram, "count"), targets), baseline),
    }
    return queries | {"latency": _latency(triggers.latency.measure, histogram, targets, baseline)}


def select(metric: str, matchers: str) -> str:
    """Return the selector *metric*, which may have matchers already, with further *matchers*."""
    name, _, own = metric.partition("{")
    return f"{name}{{{own.removesuffix('}') + ',' if own else ''}{matchers}}}"


def _part(histogram: str, suffix: str) -> str:
    """Return the selector of one of the counters of a histogram."""
    name, brace, own = histogram.partition("{")
    return f"{name}_{suffix}{brace}{own}"


def _render(seconds: float) -> str:
    """Return a duration as PromQL has it."""
    return f"{round(1000 * seconds)}ms"


def _grown(selector: str, seconds: float, by: str = "") -> str:
    """Return the query of the growth of a counter over all its series.

    A series without a value at the begin is new, and one that is below it was reset. Both count
    with all that they have.
    """
    time = _render(seconds)
    last = f"last_over_time({selector}[{time}])"
    return f"sum{by}((({last} - {selector} offset {time}) >= 0) or {last})"


def _latency(measure: str, histogram: str, targets: str, seconds: float) -> str:
    if measure == "mean":
        total, count = (select(_part(histogram, name), targets) for name in ("sum", "count"))
        return f"{_grown(total, seconds)} / {_grown(count, seconds)}"
    buckets = _grown(select(_part(histogram, "bucket"), targets), seconds, " by (le) ")
    return f"histogram_quantile(0.{measure.removeprefix('p')}, {buckets})"
