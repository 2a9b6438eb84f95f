"""Ratio of a subject's time to its floor's time, measured in turns on the same machine.

Each turn repeats a call often enough to be measured. The fastest turn counts, because other load on
the machine only makes a turn slower. The mean counts where turns differ by themselves.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from rich.console import Console
from rich.table import Table

#: A function that repeats the measured call: ``run(1000)`` calls it a thousand times.
Run = Callable[[int], object]
Clock = Callable[[], float]

#: Returns the time that counts of those of all turns.
Choose: TypeAlias = Callable[[Sequence[float]], float]

SHORTEST: Final = 0.02  # seconds; the minimum of a turn


def readable(seconds: float) -> str:
    """Return *seconds* in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


@dataclass(frozen=True, slots=True)
class Case:
    """A subject and the floor that it is measured against.

    *bar* is the maximum of the ratio, if there is one. *calls* are those of one turn; for None they
    are as many as take long enough. *prepare* is called before each turn, and is not measured.
    """

    name: str
    subject: Run
    floor: Run
    floor_name: str
    bar: float | None = None
    calls: int | None = None
    prepare: Callable[[], object] = lambda: None
    clock: Clock = time.perf_counter
    shown: Callable[[float], str] = readable


@dataclass(frozen=True, slots=True)
class Result:
    """Times of one call in the turns that count, in seconds."""

    case: Case
    subject: float
    floor: float

    @property
    def ratio(self) -> float:
        """Return the subject's time divided by the floor's."""
        return self.subject / self.floor

    @property
    def is_within_bar(self) -> bool:
        """Return whether the ratio does not exceed the bar."""
        return self.case.bar is None or self.ratio <= self.case.bar


def repeated(call: Callable[[], object]) -> Run:
    """Return a function that repeats *call*."""

    def run(times: int) -> None:
        for _ in range(times):
            call()

    return run


def measure(case: Case, turns: int, choose: Choose = min) -> Result:
    """Measure *case*."""
    calls, clock = case.calls, case.clock
    subject_calls = calls or _find_calls(case.subject, clock)
    floor_calls = calls or _find_calls(case.floor, clock)
    subject, floor = [], []
    with _without_gc():
        for _ in range(turns):
            case.prepare()
            floor.append(_seconds(case.floor, floor_calls, clock) / floor_calls)
            case.prepare()
            subject.append(_seconds(case.subject, subject_calls, clock) / subject_calls)
    return Result(case, choose(subject), choose(floor))


def table(results: Iterable[Result]) -> Table:
    """Return *results* as a table to print."""
    shown = Table("measured", "time", "floor", "floor's time", "ratio", "bar", box=None)
    for result in results:
        bar = f"{result.case.bar:g}" if result.case.bar else ""
        colour = "" if result.is_within_bar else "[red]"
        shown.add_row(
            result.case.name,
            result.case.shown(result.subject),
            result.case.floor_name,
            result.case.shown(result.floor),
            f"{colour}{result.ratio:.3g}",
            bar,
        )
    return shown


def report(results: Sequence[Result]) -> int:
    """Print *results*, and return the exit code: 2 if a case exceeds its bar."""
    Console().print(table(results))
    return 0 if all(result.is_within_bar for result in results) else 2


#: Returns the cases.
Cases: TypeAlias = Callable[[], AbstractContextManager[Iterable[Case]]]
#: Returns the cases with files of a size, in a folder or in the default one.
FileCases: TypeAlias = Callable[[int, Path | None], AbstractContextManager[Iterable[Case]]]


def read_turns(description: str | None, turns: int) -> int:
    """Return the turns that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--turns", type=int, default=turns)
    named: int = parser.parse_args().turns
    return named


def run_cases(description: str | None, cases: Cases, turns: int) -> int:
    """Measure cases and print them."""
    turns = read_turns(description, turns)
    with cases() as each:
        return report([measure(case, turns) for case in each])


def run_on_files(
    description: str | None, cases: FileCases, size: tuple[str, int, str], turns: int
) -> int:
    """Measure cases on files of the size that the command line names, and print them."""
    option, default, unit = size
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(option, dest="size", type=int, default=default, help=unit)
    parser.add_argument("--turns", type=int, default=turns)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with cases(arguments.size, arguments.folder) as each:
        return report([measure(case, arguments.turns) for case in each])


#: Returns the cases on tables with a number of rows.
RowCases: TypeAlias = Callable[[int], AbstractContextManager[Iterable[Case]]]


def run_on_rows(description: str | None, cases: RowCases, rows: int, turns: int) -> int:
    """Measure cases on tables of the size that the command line names, and print them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--turns", type=int, default=turns)
    arguments = parser.parse_args()
    with cases(arguments.rows) as each:
        return report([measure(case, arguments.turns) for case in each])


def _find_calls(run: Run, clock: Clock) -> int:
    """Return a number of calls that takes at least :data:`SHORTEST`."""
    calls = 1
    while _seconds(run, calls, clock) < SHORTEST:
        calls *= 2
    return calls


def _seconds(run: Run, calls: int, clock: Clock) -> float:
    start = clock()
    run(calls)
    return clock() - start


@contextmanager
def _without_gc() -> Iterator[None]:
    """Disable garbage collection until the block ends, as :mod:`timeit` does."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
