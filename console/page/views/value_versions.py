"""Versions of a value: when each was in use, and how many readers still have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from console.page.views.reads import LEAST
from console.page.views.reads_filter import ReadsFilter
from console.views.cells import GOOD, PLAIN, WARN, Badge, Bars, Cell, Link
from console.views.charts import STEPS, Timeline, build_timeline
from console.views.table import Table, columns
from console.views.times import show_date, show_seconds
from vault.rotation.server_versions import Version, VersionState

#: Versions that are shown. Older ones are counted.
MOST: Final = 12
#: Versions with a colour of their own in the chart of reads.
_COLOURS: Final = 4
_OLDER: Final = "older"
#: Length of the shortest bar, of 100.
_LEAST: Final = 4.0
_TONES: Final = {
    VersionState.CURRENT: GOOD,
    VersionState.OLDER: WARN,
    VersionState.DELETED: PLAIN,
    VersionState.DESTROYED: PLAIN,
    VersionState.CLOSED: PLAIN,
}
_LIFE: Final = columns(
    "number Version, state State, bar In use, time Created, time Replaced, time Deleted, "
    "number Readers"
)
_READERS: Final = columns(
    "name Reader, number Version, state State, time Last read, number Reads, number Tokens, "
    "text Host, address Address"
)


def build_life(
    versions: Sequence[Version],
    readers: Iterable[Mapping[str, Any]] | None,
    due: datetime | None,
    now: datetime,
) -> Table:
    """Return the versions on an axis of time that ends now, each with how long it was in use.

    A due date ahead is not on it, because it would leave the past too little room.
    """
    shown = versions[:MOST]
    if not shown:
        return Table("Versions by time", _LIFE, ())
    first = shown[-1].created
    length = max(now - first, timedelta(seconds=1))
    counts = None if readers is None else Counter(each["version"] for each in readers)

    def place(time: datetime) -> float:
        return round(100 * (time - first) / length, 2)

    is_late = due is not None and first <= due < now
    marks = (("due", place(due)),) if due is not None and is_late else ()
    rows: list[tuple[Cell, ...]] = []
    until = None
    for each in shown:
        end = until or now
        x, used = place(each.created), place(end) - place(each.created)
        tone, count = _TONES[each.state], None if counts is None else counts[each.number]
        # No version is too short to be seen.
        parts = (("ground", 0, 100), (f"life-{tone}", min(x, 100 - _LEAST), max(used, _LEAST)))
        badge = Badge(each.state.value, tone)
        bars = Bars(parts, marks, show_seconds(end - each.created))
        rows.append((str(each.number), badge, bars, each.created, until, each.deleted, count))
        until = each.created
    line = f" The line is the due date, {show_date(due)}." if is_late else ""
    note = f"From {show_date(first)} until now, and how long each was in use.{line}"
    left_out = len(versions) - len(shown)
    return Table("Versions by time", _LIFE, rows, "life", note=note, left_out=left_out)


def find_newest(readers: Iterable[Mapping[str, Any]], current: int | None) -> int:
    """Return the current version, or the newest that was read if the server does not say."""
    return max((row["version"] for row in readers), default=0) if current is None else current


def build_readers(
    readers: Sequence[Mapping[str, Any]], current: int | None, name: str, environment: str
) -> Table:
    """Return the readers, those with the oldest version first."""
    newest = find_newest(readers, current)
    order = sorted(readers, key=lambda row: (row["version"], -_time(row).timestamp()))
    rows = [
        (
            Link(row["actor"], _reads_url(row, name, environment)),
            str(row["version"]),
            Badge("older", WARN) if row["version"] < newest else Badge("current", GOOD),
            *(_time(row), row["count"], row["tokens"], row["host"], row["address"]),
        )
        for row in order
    ]
    return Table("Readers by version", _READERS, rows)


def _time(row: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(row["last"])


def _reads_url(row: Mapping[str, Any], name: str, environment: str) -> str:
    return ReadsFilter(actor=row["host"] or row["actor"], secret=name).url(environment)


def build_reads_chart(timeline: Mapping[str, Any]) -> Timeline | None:
    """Return the chart of reads by version, None without a read."""
    rows = timeline["rows"]
    if not rows:
        return None
    numbers = sorted({row["version"] or 0 for row in rows}, reverse=True)
    shown = numbers[:_COLOURS]
    values: dict[str, list[int]] = {}
    for row in rows:
        number = row["version"] or 0
        place = shown.index(number) if number in shown else _COLOURS
        counts = values.setdefault(row["time"], [0] * (len(shown) + (len(numbers) > len(shown))))
        counts[place] += row["count"]
    names = [f"version {each}" if each else "no version in the log" for each in shown]
    names += [_OLDER] if len(numbers) > len(shown) else []
    series = tuple((name, f"series-{number}") for number, name in enumerate(names))
    step = timeline["step"]
    counts_of = {time: tuple(counts) for time, counts in values.items()}
    return build_timeline(
        "chart-reads", f"Reads by {step} and version", series, counts_of, STEPS[step], LEAST
    )
