"""A subject and its floor, timed in turns on the same machine; what counts is their ratio.

Each turn repeats a call often enough to be measured. Of all turns the fastest counts: what else the
machine does only ever makes one slower.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.table import Table

#: A call to be measured, repeated inside: ``run(1000)`` does it a thousand times.
Run = Callable[[int], object]
Clock = Callable[[], float]

SHORTEST: Final = 0.02  # seconds of one turn at least


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured against what.

    Attributes:
        bar: the ratio that it must not pass; None where it is only told.
        calls: in one turn; None to find a number that takes long enough.

    """

    name: str
    subject: Run
    floor: Run
    floor_name: str
    bar: float | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The fastest turn of each, in seconds for one call."""

    case: Case
    subject: float
    floor: float

    @property
    def ratio(self) -> float:
        """How many times the floor the subject takes."""
        return self.subject / self.floor

    @property
    def holds(self) -> bool:
        """Whether the bar is kept."""
        return self.case.bar is None or self.ratio <= self.case.bar


def repeated(call: Callable[[], object]) -> Run:
    """*call* as something to be measured."""

    def run(times: int) -> None:
        for _ in range(times):
            call()

    return run


def measure(case: Case, turns: int, clock: Clock = time.perf_counter) -> Result:
    """*case*, in so many *turns* of each; *clock* in seconds."""
    calls = case.calls
    subject_calls = calls or _enough(case.subject, clock)
    floor_calls = calls or _enough(case.floor, clock)
    subject, floor = float("inf"), float("inf")
    with _no_collection():
        for _ in range(turns):
            floor = min(floor, _seconds(case.floor, floor_calls, clock) / floor_calls)
            subject = min(subject, _seconds(case.subject, subject_calls, clock) / subject_calls)
    return Result(case, subject, floor)


def table(results: Iterable[Result]) -> Table:
    """*results* for people."""
    shown = Table("measured", "time", "floor", "floor's time", "ratio", "bar", box=None)
    for result in results:
        bar = f"{result.case.bar:g}" if result.case.bar else ""
        colour = "" if result.holds else "[red]"
        shown.add_row(
            result.case.name,
            _readable(result.subject),
            result.case.floor_name,
            _readable(result.floor),
            f"{colour}{result.ratio:.3g}",
            bar,
        )
    return shown


def _enough(run: Run, clock: Clock) -> int:
    """A number of calls that takes :data:`SHORTEST` or more."""
    calls = 1
    while _seconds(run, calls, clock) < SHORTEST:
        calls *= 2
    return calls


def _seconds(run: Run, calls: int, clock: Clock) -> float:
    start = clock()
    run(calls)
    return clock() - start


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection, as :mod:`timeit` has it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
