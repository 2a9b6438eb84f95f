"""Table of the branch coverage of the product's packages, from what coverage.py has measured.

Run by ``make coverage-table``. What no test reached is listed in ``.coverage/missing.txt``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from coverage import Coverage

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".coverage"


@dataclass(frozen=True)
class Row:
    """What the tests reached in one package."""

    package: str
    statements: int = 0
    branches: int = 0
    reached: int = 0

    def __add__(self, other: Self) -> Self:
        """Return the sums of both, under the name of the first."""
        return type(self)(
            self.package,
            self.statements + other.statements,
            self.branches + other.branches,
            self.reached + other.reached,
        )

    @property
    def percent(self) -> float:
        """The reached share."""
        return 100 * self.reached / max(self.statements + self.branches, 1)

    def __str__(self) -> str:
        return f"{self.package:17}{self.statements:10}{self.branches:10}{self.percent:8.1f} %"


def count(files: Mapping[str, Any]) -> list[Row]:
    """Return a row of each package, and their sum, of the *files* of a report of coverage.py."""
    rows: dict[str, Row] = {}
    for file, result in files.items():
        package, summary = file.partition("/")[0], result["summary"]
        reached = summary["covered_lines"] + summary["covered_branches"]
        row = Row(package, summary["num_statements"], summary["num_branches"], reached)
        rows[package] = rows.get(package, Row(package)) + row
    return [*(rows[each] for each in sorted(rows)), sum(rows.values(), Row("all"))]


def list_missing(files: Mapping[str, Any]) -> Iterable[str]:
    """Yield a line for each file that was not reached as a whole, and its unreached functions."""
    for file, result in files.items():
        lines = set(result["missing_lines"])
        # A branch from or to a line that never ran says nothing more.
        branches = [way for way in result["missing_branches"] if lines.isdisjoint(way)]
        if not lines and not branches:
            continue
        ways = [f"{start}->{end if end > 0 else 'exit'}" for start, end in branches]
        yield f"{file}: {', '.join([*map(str, sorted(lines)), *ways])}"
        for name, function in result["functions"].items():
            if name and function["missing_lines"] and not function["executed_lines"]:
                yield f"    {name}"


def main() -> int:
    """Print the table, and return 1 if less was reached than the configuration requires."""
    coverage = Coverage(data_file=FOLDER / "data", config_file=ROOT / "pyproject.toml")
    coverage.combine([str(FOLDER)], keep=True)
    report = FOLDER / "report.json"
    coverage.json_report(outfile=str(report))
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    missing = FOLDER / "missing.txt"
    missing.write_text("".join(f"{line}\n" for line in list_missing(files)), encoding="utf-8")
    rows = count(files)
    head = f"{'package':17}{'statements':>10}{'branches':>10}{'reached':>10}"
    sys.stdout.write("\n".join([head, *map(str, rows), ""]))
    floor = float(str(coverage.get_option("report:fail_under")))
    if rows[-1].percent >= floor:
        return 0
    sys.stderr.write(f"less than {floor:.0f} % is reached; see {missing.relative_to(ROOT)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
