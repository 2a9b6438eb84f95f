"""Mutation testing of the pure cores: the share of mutants that tests kill, per module.

``make mutants`` runs it. mutmut changes one thing at a time in the modules that ``pyproject.toml``
lists, and runs the unit tests that cover it. The run fails if a module's share is below its
committed floor.
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

#: mutmut's folder. It is deleted first, because results of tests that have changed are wrong.
WORK: Final = Path("mutants")
FLOORS: Final = Path(__file__).parents[1] / "mutants.json"
#: The lowest floor that a module may have, in percent.
LEAST: Final = 85
_RESULT: Final = re.compile(r"\s*(?P<module>[\w.]+)\.(?:x_|xǁ)\S+: (?P<status>[a-z ]+)")
#: A mutant that hangs or crashes the process counts as killed.
_KILLED: Final = ("killed", "timeout", "segfault")

Tally = Mapping[str, Counter[str]]


def tally(lines: Iterable[str]) -> Tally:
    """Count the results in the output *lines* of mutmut."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if match := _RESULT.fullmatch(line.rstrip()):
            found[match["module"]][match["status"]] += 1
    return found


def share(counts: Counter[str]) -> float:
    """Return the percentage of the mutants that were killed."""
    return 100 * sum(counts[status] for status in _KILLED) / counts.total()


def find_failures(found: Tally, floors: Mapping[str, int]) -> list[str]:
    """Return a line for each module that has no mutants, no floor, or too small a share."""
    failures = [
        f"{name}: no mutants; list the module in pyproject.toml" for name in floors.keys() - found
    ]
    for name, counts in found.items():
        if name not in floors:
            failures.append(f"{name}: no floor; add one to {FLOORS.name}")
        elif share(counts) < max(floors[name], LEAST):
            failures.append(f"{name}: {share(counts):.1f} % killed, floor {floors[name]} %")
    return sorted(failures)


def main() -> int:
    """Run mutmut and print each module's share."""
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
    failures = find_failures(found, json.loads(FLOORS.read_text(encoding="utf-8")))
    for line in failures:
        console.print(f"[red]{line}[/]")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
