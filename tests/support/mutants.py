"""Seeded mutants of the pure cores: the share that tests notice, module by module.

``make mutants`` runs it. mutmut changes one thing at a time in the modules that ``pyproject.toml``
lists, and runs the unit tests that reach it. A module whose share falls below its committed floor
fails the run.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

#: Where mutmut works; what it learnt of tests that have changed since would mislead it.
WORK: Final = Path("mutants")
FLOORS: Final = Path(__file__).parents[1] / "mutants.json"
#: No module may commit itself to less, in percent.
LEAST: Final = 85
_RESULT: Final = re.compile(r"\s*(?P<module>[\w.]+)\.(?:x_|xǁ)\S+: (?P<status>[a-z ]+)")
#: A mutant that doesn't end, or ends the process, is noticed too.
_NOTICED: Final = ("killed", "timeout", "segfault")

Tally = Mapping[str, Counter[str]]


def tally(lines: Iterable[str]) -> Tally:
    """Module → how many of its mutants ended how."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if match := _RESULT.fullmatch(line.rstrip()):
            found[match["module"]][match["status"]] += 1
    return found


def share(counts: Counter[str]) -> float:
    """Percent of the mutants that were noticed."""
    return 100 * sum(counts[status] for status in _NOTICED) / counts.total()


def below(found: Tally, floors: Mapping[str, int]) -> list[str]:
    """What is wrong with *found*: one line for each module, none when all is well."""
    wrong = [
        f"{name}: no mutants; is it listed in pyproject.toml?" for name in floors.keys() - found
    ]
    for name, counts in found.items():
        if name not in floors:
            wrong.append(f"{name}: has no floor in {FLOORS.name}")
        elif share(counts) < max(floors[name], LEAST):
            wrong.append(f"{name}: {share(counts):.1f} % noticed, floor {floors[name]} %")
    return sorted(wrong)


def main() -> int:
    """Run mutmut from nothing, and judge."""
    console = Console(highlight=False)
    shutil.rmtree(WORK, ignore_errors=True)
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run"], check=True)
    shown = subprocess.run(
        [*mutmut, "results", "--all", "true"], check=True, capture_output=True, text=True
    )
    found = tally(shown.stdout.splitlines())
    for name, counts in sorted(found.items()):
        console.print(f"{share(counts):6.1f} %  {counts.total():4}  {name}")
    wrong = below(found, json.loads(FLOORS.read_text(encoding="utf-8")))
    for line in wrong:
        console.print(f"[red]{line}[/]")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
