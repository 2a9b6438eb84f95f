"""Versions of a value: when each was in use, and how many readers still have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from console.audit.charts import STEPS, Timeline, build_timeline
from console.page.views.badge import GOOD, PLAIN, WARN
from console.page.views.reads import LEAST
from console.page.views.reads_filter import ReadsFilter
from vault.rotation.server_versions import Version, VersionState

#: Versions that are shown. Older ones are counted.
MOST: Final = 12
#: Versions with a colour of their own in the chart of reads.
_COLOURS: Final = 4
_OLDER: Final = "older"
_TONES: Final = {
    VersionState.CURRENT: GOOD,
    VersionState.OLDER: WARN,
    VersionState.DELETED: PLAIN,
    VersionState.DESTROYED: PLAIN,
    VersionState.CLOSED: PLAIN,
}


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version, as the view shows it.

    Attributes:
        tone: Colour of its state.
        until: When the next version replaced it, None of the newest.
        x: Where its bar begins, of 100.
        width: Length of its bar.
        readers: Number of readers that got it last, None if that is not known.

    """

    version: Version
    tone: str
    until: datetime | None
    x: float
    width: float
    readers: int | None


@dataclass(frozen=True, slots=True)
class Life:
    """Versions on one axis of time.

    Attributes:
        rows: The versions, the newest first.
        left_out: Number of older ones.
        first: Begin of the axis.
        last: Its end.
        now: Where the present is on it, of 100.
        due: Where the due date is, None if there is none.

    """

    rows: tuple[VersionRow, ...]
    left_out: int
    first: datetime
    last: datetime
    now: float
    due: float | None


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader and the version that it got last.

    Attributes:
        is_older: Whether there is a newer version.
        tokens: Number of its tokens.
        count: Number of its reads.
        href: Address of its reads.

    """

    actor: str
    host: str
    address: str
    version: int
    is_older: bool
    tokens: int
    count: int
    last: datetime
    href: str


def build_life(
    versions: Sequence[Version],
    readers: Iterable[Reader] | None,
    due: datetime | None,
    now: datetime,
) -> Life | None:
    """Return the versions on an axis of time that ends with the due date, None if there is none.

    Args:
        versions: The versions, the newest first.
        readers: Who got which last, None if that is not known.
        due: The due date, None if there is none.
        now: The current time.

    """
    shown = versions[:MOST]
    if not shown:
        return None
    first, last = shown[-1].created, max(now, due or now)
    length = max(last - first, timedelta(seconds=1))
    counts = None if readers is None else Counter(each.version for each in readers)

    def place(time: datetime) -> float:
        return round(100 * (time - first) / length, 2)

    rows, until = [], None
    for each in shown:
        x, end = place(each.created), place(until or now)
        count = None if counts is None else counts[each.number]
        width = max(end - x, 0.5)  # so that it is seen
        rows.append(VersionRow(each, _TONES[each.state], until, min(x, 99.5), width, count))
        until = each.created
    left_out = len(versions) - len(shown)
    return Life(tuple(rows), left_out, first, last, place(now), None if due is None else place(due))


def build_readers(
    rows: Iterable[Mapping[str, Any]], current: int | None, name: str, environment: str
) -> tuple[Reader, ...]:
    """Return the readers, those with the oldest version first.

    Args:
        rows: Rows of the question who got which version last.
        current: The current version, None if the server does not say; the newest one counts then.
        name: The value, as the view of reads filters by it.
        environment: Name of the environment.

    """
    found = list(rows)
    newest = current if current is not None else max((row["version"] for row in found), default=0)
    readers = [
        Reader(
            row["actor"],
            row["host"] or "",
            row["address"] or "",
            row["version"],
            row["version"] < newest,
            row["tokens"],
            row["count"],
            datetime.fromisoformat(row["last"]),
            ReadsFilter(actor=row["host"] or row["actor"], secret=name).url(environment),
        )
        for row in found
    ]
    return tuple(sorted(readers, key=lambda each: (each.version, -each.last.timestamp())))


def build_reads_chart(timeline: Mapping[str, Any]) -> Timeline | None:
    """Return the chart of reads by version, None without a read.

    Args:
        timeline: Step, and rows with time, version and count.

    """
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
