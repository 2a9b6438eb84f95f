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
from typing import Any, Final, TypeAlias

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


#: Name, type, default and help of an option.
Option: TypeAlias = tuple[str, type, Any, str | None]
#: The option of a folder for the measured files.
FOLDER: Final[Option] = ("--folder", Path, None, None)


def read_turns(description: str | None, turns: int) -> int:
    """Return the turns that the command line names."""
    named: int = _read_options(description, ("--turns", int, turns, None))[0]
    return named


def run_cases(
    description: str | None,
    cases: Callable[..., AbstractContextManager[Iterable[Case]]],
    turns: int,
    *options: Option,
) -> int:
    """Measure cases and print them. *cases* is called with the values of *options*."""
    turns, *values = _read_options(description, ("--turns", int, turns, None), *options)
    with cases(*values) as each:
        return report([measure(case, turns) for case in each])


def _read_options(description: str | None, *options: Option) -> list[Any]:
    """Return the value of each option that the command line names, or its default."""
    parser = argparse.ArgumentParser(description=description)
    for name, kind, default, text in options:
        parser.add_argument(name, type=kind, default=default, help=text)
    return [*vars(parser.parse_args()).values()]


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
