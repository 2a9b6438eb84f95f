"""Charts of a report, as rectangles of SVG. What they show stands in a table, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from console.views.cells import Link
from console.views.escapes import escape_unprintable
from console.views.table import Column, Kind, Table, bar_table

#: Height of the drawing of a timeline. Its width is the number of its columns.
HEIGHT: Final = 100
#: Space between two columns.
_GAP: Final = 0.16
#: Actors with a colour of their own in the chart of logins.
_ACTORS: Final = 5
_OTHERS: Final = "others"
#: Bars of the chart of the most read values.
_BARS: Final = 12
_DAY: Final = timedelta(days=1)
#: Columns up to which each is wide enough for a label below its centre.
_CENTRED: Final = 3
#: Step of a timeline → its length.
STEPS: Final = {"hour": timedelta(hours=1), "day": _DAY}


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of a column."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the axis: its place, of 100, and which part of the text is there."""

    label: str
    place: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Columns over time, each of stacked parts."""

    id: str
    title: str
    series: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    columns: tuple[tuple[str, tuple[Rectangle, ...]], ...]
    top: int

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Return the labels below the drawing: the first, one in the middle, and the last.

        Each is centred below its column, but one of many at an edge, which would reach beyond it.
        """
        count, found = len(self.rows), []
        for number in dict.fromkeys((0, count // 2, count - 1)):
            anchor, place = "middle", number + 0.5
            if count > _CENTRED and number in {0, count - 1}:
                anchor, place = ("start", 0) if number == 0 else ("end", count)
            found.append(Tick(self.rows[number][0], round(100 * place / count, 2), anchor))
        return tuple(found)

    def table(self, hrefs: Mapping[str, str]) -> Table:
        """Return the same as a table. A label may have an address in *hrefs*."""
        counts = (Column(name, Kind.NUMBER) for name, _ in self.series)
        rows = [
            (Link(label, hrefs[label]) if label in hrefs else label, *values)
            for label, values in self.rows
        ]
        headings = (Column("time", Kind.TIME), *counts)
        return Table(f"{self.title}, as a table", headings, rows)


def build_request_chart(timeline: Mapping[str, Any], least: int = 1) -> Timeline:
    """Return the chart of requests over time: reads, others, and what was refused."""
    counts = {
        row["time"]: (row["reads"], row["ok"] - row["reads"], _refused(row))
        for row in timeline["rows"]
    }
    step = timeline["step"]
    series = (("reads", "read"), ("others", "other"), ("refused", "denied"))
    title = f"Requests by {step}"
    return build_timeline("chart-requests", title, series, counts, STEPS[step], least)


def build_timelines(document: Mapping[str, Any]) -> list[Timeline]:
    """Return the charts over time: requests, refused requests, and logins by actor.

    A chart of nothing is left out.
    """
    step, rows = document["timeline"]["step"], document["timeline"]["rows"]
    refused = {row["time"]: (row["denied"], row["failed"], row["absent"]) for row in rows}
    names, logins = _logins(document["token_days"])
    charts = [
        build_request_chart(document["timeline"]),
        build_timeline(
            "chart-refused",
            f"Refused requests by {step}",
            (("denied", "denied"), ("failed", "failed"), ("absent", "absent")),
            refused,
            STEPS[step],
        ),
        build_timeline(
            "chart-logins",
            "Logins by day",
            tuple((name, f"series-{number}") for number, name in enumerate(names)),
            logins,
            _DAY,
        ),
    ]
    return [chart for chart in charts if chart.top]


def build_timeline(
    anchor: str,
    title: str,
    series: tuple[tuple[str, str], ...],
    values: Mapping[str, tuple[int, ...]],
    step: timedelta,
    least: int = 1,
) -> Timeline:
    """Return a chart over time."""
    form = "%Y-%m-%d %H:%MZ" if step < _DAY else "%Y-%m-%d"
    rows = tuple((time.strftime(form), counts) for time, counts in _fill(values, step, least))
    top = max((sum(counts) for _, counts in rows), default=0)
    columns = tuple(
        (_describe(label, series, counts), _stack(number, counts, top))
        for number, (label, counts) in enumerate(rows)
    )
    return Timeline(anchor, title, series, rows, columns, top)


def build_bars(document: Mapping[str, Any]) -> Table:
    """Return the values that were read most."""
    counts: Counter[str] = Counter()
    for row in document["reads"]:
        where = f"{row['service']}/{row['environment']} "
        name = row["path"] if row["name"] is None else f"{where}{row['name']}"
        counts[name] += row["count"]
    bars = [(escape_unprintable(name), n, "read") for name, n in counts.most_common(_BARS)]
    return bar_table("Most read", "name what, bar share, number reads", bars)


def _refused(row: Mapping[str, Any]) -> int:
    refused: int = row["denied"] + row["failed"] + row["absent"]
    return refused


def _logins(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """Return the actors with most logins, and the logins of each by day."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["actor"]] += row["logins"]
    names = [name for name, count in counts.most_common(_ACTORS) if count]
    is_whole = len(names) == sum(count > 0 for count in counts.values())
    shown = names if is_whole else [*names, _OTHERS]
    days: dict[str, Counter[str]] = {}
    for row in rows:
        name = row["actor"] if row["actor"] in names else _OTHERS
        days.setdefault(f"{row['day']}T00:00:00Z", Counter())[name] += row["logins"]
    logins = {day: tuple(found[name] for name in shown) for day, found in days.items()}
    return [escape_unprintable(name) for name in shown], logins


def _fill(
    values: Mapping[str, tuple[int, ...]], step: timedelta, least: int
) -> list[tuple[datetime, tuple[int, ...]]]:
    """Return the values of at least *least* steps up to the last, with 0 where there is none."""
    known = {
        datetime.fromisoformat(time).astimezone(UTC): counts for time, counts in values.items()
    }
    if not known:
        return []
    nothing = (0,) * len(next(iter(known.values())))
    last = max(known)
    first = min(*known, last - (least - 1) * step)
    times = (first + number * step for number in range((last - first) // step + 1))
    return [(time, known.get(time, nothing)) for time in times]


def _describe(label: str, series: Sequence[tuple[str, str]], counts: Sequence[int]) -> str:
    found = ", ".join(
        f"{name} {count:,}" for (name, _), count in zip(series, counts, strict=True) if count
    )
    return f"{label}: {found or 'none'}"


def _stack(number: int, counts: Sequence[int], top: int) -> tuple[Rectangle, ...]:
    rectangles, below = [], 0
    for series, count in enumerate(counts):
        if count:
            height = HEIGHT * count / top
            y = HEIGHT * (1 - below / top) - height
            x, width = number + _GAP / 2, 1 - _GAP
            rectangles.append(Rectangle(round(x, 3), round(y, 3), width, round(height, 3), series))
        below += count
    return tuple(rectangles)
