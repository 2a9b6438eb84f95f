"""The ratios of every benchmark, in short, against those that are committed.

    make bench-quick                 fails when one is more than 25 % worse
    python -m benchmarks.quick --write   takes today's as the new ones

A ratio compares two things timed in turns on the same machine, so it travels from one machine to
another, but for noise. One that seems worse is measured again, and the better figure counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import encryption, index, sdk
from benchmarks.ratio import Case, Result, measure, table

COMMITTED: Final = Path(__file__).with_name("ratios.json")
WORSE: Final = 1.25
TURNS: Final = 5
ATTEMPTS: Final = 9

#: Each gives its cases while the servers run that they need.
SOURCES: Final[tuple[Callable[[], AbstractContextManager[Iterator[Case]]], ...]] = (
    sdk.cases,
    index.cases,
    encryption.own,
)


def worse(result: Result, committed: dict[str, float]) -> bool:
    """Whether *result* is more than 25 % above what is committed; a new one never is."""
    return result.ratio > committed.get(result.case.name, float("inf")) * WORSE


def measured(committed: dict[str, float]) -> Iterator[Result]:
    """Every case, the better of some attempts where it seems worse than committed."""
    for source in SOURCES:
        with source() as cases:
            for case in cases:
                best = measure(case, TURNS)
                for _ in range(ATTEMPTS):
                    if not worse(best, committed):
                        break
                    best = min(best, measure(case, TURNS), key=lambda result: result.ratio)
                yield best


def main() -> int:
    """Measure, show, compare; 2 when one is worse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="commit to what is measured now")
    write = parser.parse_args().write
    committed = {} if write else json.loads(COMMITTED.read_text(encoding="utf-8"))
    results = list(measured(committed))
    Console().print(table(results))
    if write:
        figures = {result.case.name: round(result.ratio, 3) for result in results}
        COMMITTED.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return 0
    slower = [result for result in results if worse(result, committed)]
    for result in slower:
        was = committed[result.case.name]
        sys.stderr.write(f"{result.case.name}: {result.ratio:.3g}, committed is {was:g}\n")
    return 2 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
