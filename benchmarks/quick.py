"""Quick run of the benchmarks, whose ratios are compared with the committed ones.

    make bench-quick                     fails if a ratio is more than 25 % above the committed one
    python -m benchmarks.quick --write   commits the measured ratios

A ratio compares two operations that are timed in turns on the same machine, so it is comparable
between machines, except for noise. A ratio that seems worse is measured again, and the better one
counts.
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

from benchmarks import audit, backfill, encryption, files, index, logs, sdk
from benchmarks.ratio import Case, Result, measure, table

COMMITTED: Final = Path(__file__).with_name("ratios.json")
WORSE: Final = 1.25
TURNS: Final = 5
ATTEMPTS: Final = 9

#: Context managers that yield cases while the servers run that the cases need.
SOURCES: Final[tuple[Callable[[], AbstractContextManager[Iterator[Case]]], ...]] = (
    sdk.cases,
    index.cases,
    encryption.encrypt_locally,
    files.one_thread,
    logs.cases,
    audit.few_lines,
    backfill.one_worker,
)


def is_worse(result: Result, committed: dict[str, float]) -> bool:
    """Return whether *result* is more than 25 % above the committed ratio, if there is one."""
    return result.ratio > committed.get(result.case.name, float("inf")) * WORSE


def measure_all(committed: dict[str, float]) -> Iterator[Result]:
    """Yield the result of each case, the best of several attempts if it seems worse."""
    for source in SOURCES:
        with source() as cases:
            for case in cases:
                best = measure(case, TURNS)
                for _ in range(ATTEMPTS):
                    if not is_worse(best, committed):
                        break
                    best = min(best, measure(case, TURNS), key=lambda result: result.ratio)
                yield best


def main() -> int:
    """Measure all cases, print them, and compare them with the committed ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="commit the measured ratios")
    write = parser.parse_args().write
    committed = {} if write else json.loads(COMMITTED.read_text(encoding="utf-8"))
    results = list(measure_all(committed))
    Console().print(table(results))
    if write:
        figures = {result.case.name: round(result.ratio, 3) for result in results}
        COMMITTED.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return 0
    slower = [result for result in results if is_worse(result, committed)]
    for result in slower:
        was = committed[result.case.name]
        sys.stderr.write(f"{result.case.name}: {result.ratio:.3g}, committed is {was:g}\n")
    return 2 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
